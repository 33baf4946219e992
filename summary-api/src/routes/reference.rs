//! `/api/docs/`: the description of the API to browse and to try, as Swagger UI. Its files come through Cargo and are part
//! of this program; a browser that shows it asks nobody else.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawPathParams;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::{Config, serve};

use crate::problem::{Kind, Problem};

/// Where it is.
pub(crate) const PATH: &str = "/api/docs/";
/// What the page loads; the library has more, which no page here names.
const FILES: [&str; 8] = [
    "index.html",
    "index.css",
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
    "favicon-16x16.png",
    "favicon-32x32.png",
];
/// The library sets styles on elements as it draws them: that much is allowed here beyond other pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its files.
pub(super) fn routes() -> Router {
    let config = Config::from("/openapi.json")
        // By default it asks a server on the internet whether the description is valid.
        .validator_url("none")
        .display_request_duration(true)
        .try_it_out_enabled(true);
    let config = Arc::new(config);
    let of_config = Arc::clone(&config);
    Router::new()
        .route("/api/docs", get(|| async { Redirect::permanent(PATH) }))
        .route(PATH, get(move || std::future::ready(file(FILES[0], &of_config))))
        .route(
            "/api/docs/{file}",
            get(move |path: RawPathParams| {
                let name = path.iter().next().map(|(_, name)| name.to_owned()).unwrap_or_default();
                std::future::ready(file(&name, &config))
            }),
        )
}

fn file(name: &str, config: &Arc<Config<'static>>) -> Result<Response, Problem> {
    let is_there = FILES.contains(&name);
    let file = if is_there { serve(name, Arc::clone(config)).ok().flatten() } else { None };
    let file = file.ok_or_else(|| Problem::new(Kind::NotFound, "the description of the API has no such file"))?;
    let media_type = HeaderValue::from_str(&file.content_type)
        .map_err(|_| Problem::new(Kind::Internal, Kind::Internal.meaning()))?;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // The same for as long as the program is; asked about after an hour, as another version may be there by then.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
