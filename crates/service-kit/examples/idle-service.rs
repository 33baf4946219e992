//! The smallest service: it answers `/livez`, `/readyz` and `/metrics`, and stops on a signal.
//!
//! It is an example of a `main`, and the tests of this crate run it as a real process. `--lots` simulates faults of a
//! service: `panic`, `fail`, `stuck` or `unready`.

use std::process::ExitCode;

use service_kit::{Build, ServiceContext, announce, http};
use settings::{LISTEN, LOTS, PUBLIC_HOSTS, Settings};

const NAME: &str = "idle-service";
const FAULTS: [&str; 4] = ["panic", "fail", "stuck", "unready"];

fn main() -> ExitCode {
    let command = settings::command(NAME, "Does nothing, properly");
    service_kit::run_service(
        settings::with_default(command, &LISTEN, "127.0.0.1:2199"),
        Build::current(),
        |_, settings, context| start(settings, context),
    )
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    if settings.text(&LOTS).is_some_and(|trouble| !FAULTS.contains(&trouble)) {
        return Err(settings.wrong(&LOTS, "there is no such trouble").into());
    }
    announce::starting(NAME, &settings);
    let ServiceContext { registry, lifecycle, health, .. } = context.clone();
    let ledger = health.dependency("ledger");
    let listener = http::bind(&settings.listen(&LISTEN, 2199)?).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let routes = http::observability_routes(registry.clone(), health);
    let guard = http::Guard::new(settings.hosts(&PUBLIC_HOSTS)?);
    let serving = http::Server::new(guard).shown_in(&registry)?.serve(listener, routes, lifecycle.clone());
    lifecycle.spawn("http", async move {
        serving.await;
        Ok(())
    });
    match settings.text(&LOTS) {
        None => ledger.up(),
        Some("panic") => lifecycle.spawn("worker", async { panic!("impossible") }),
        Some("fail") => lifecycle.spawn("worker", async { Err("disk is full".into()) }),
        Some("stuck") => {
            lifecycle.spawn("worker", std::future::pending());
            ledger.up();
        }
        Some(_) => {}
    }
    announce::when_ready(NAME, &context);
    Ok(())
}
