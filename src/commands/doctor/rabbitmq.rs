//! Checks RabbitMQ: can we log in, and do the queues have the right arguments? Changes nothing.
//!
//! Events go through the default exchange, which every broker has, so no exchange can be missing.

use bus::{BusConfig, ProbeError, Queue, QueueFound, QueueState};
use settings::{AMQP_URL, Redacted};

use super::address::{of_tls, path, unreachable, user, word};
use super::finding::Finding;

pub(super) const SUBJECT: &str = "rabbitmq";

pub(super) async fn check(url: &Redacted, config: &BusConfig) -> Vec<Finding> {
    match bus::probe(url, config).await {
        Ok(queues) => {
            let login = Finding::ok(SUBJECT, format!("{url} lets us in"));
            std::iter::once(login).chain(queues.iter().map(|found| queue(url, found))).collect()
        }
        Err(error) => vec![not_in(url, &error)],
    }
}

/// The virtual host, in the form of the broker's tools.
fn virtual_host(url: &Redacted) -> String {
    Some(path(url.expose())).filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned())
}

/// The user, in the form of the broker's tools.
fn account(url: &Redacted) -> String {
    Some(user(url.expose())).filter(|user| !user.is_empty()).unwrap_or_else(|| "guest".to_owned())
}

/// The command that gives the user all permissions there.
fn set_permissions(url: &Redacted) -> String {
    let (host, user) = (word(&virtual_host(url)), word(&account(url)));
    format!("rabbitmqctl set_permissions -p {host} {user} '.*' '.*' '.*'")
}

fn not_in(url: &Redacted, error: &ProbeError) -> Finding {
    let (host, user) = (virtual_host(url), account(url));
    let seen = Finding::ok(SUBJECT, url.to_string());
    let said = error.to_string();
    match error {
        ProbeError::Login(_) => seen.fails(
            format!("the broker refuses the user '{user}' with this password: {said}"),
            format!(
                "correct user and password in {} (write @ as %40, / as %2f), or on the broker: rabbitmqctl change_password \
                 {} NEW-PASSWORD; guest may come from the broker's own machine only",
                AMQP_URL.name,
                word(&user)
            ),
        ),
        ProbeError::VirtualHost(_) => seen.fails(
            format!("there is no virtual host '{host}', or the user '{user}' may not use it: {said}"),
            format!(
                "correct the path in {}, or on the broker: rabbitmqctl add_vhost {}; {}",
                AMQP_URL.name,
                word(&host),
                set_permissions(url)
            ),
        ),
        ProbeError::Address(_) => seen.fails(said, format!("set {} to {}", AMQP_URL.name, AMQP_URL.allowed)),
        ProbeError::Away(_) => {
            let (cause, fix) = of_tls(&said, unreachable("RabbitMQ", url.expose(), AMQP_URL.name));
            seen.fails(cause, fix)
        }
    }
}

fn queue(url: &Redacted, found: &QueueFound) -> Finding {
    let name = &found.name;
    let seen = |text: String| Finding::ok(format!("queue {name}"), text);
    match &found.state {
        QueueState::Found { messages, consumers } => {
            let seen = seen(format!("is there; waiting messages: {messages}, consumers: {consumers}"));
            if *messages == 0 || found.queue != Queue::Dead {
                return seen;
            }
            seen.warns(
                "these messages could not be processed, and are in no session",
                "see why: dwell dlq list; when that is fixed, try them again: dwell dlq requeue",
            )
        }
        QueueState::ToBeMade => seen("is made when a service starts".to_owned()),
        QueueState::Missing => seen("is missing".to_owned()).fails(
            "the broker has no such queue, and DWELL_QUEUE_DECLARE=passive makes none",
            "let the services make it: DWELL_QUEUE_DECLARE=active; or make it, or name the one that is there with \
             DWELL_QUEUE_ENTRY, DWELL_QUEUE_EXIT and DWELL_QUEUE_DEAD",
        ),
        QueueState::OtherArguments { said, ours } => seen("has other arguments than ours".to_owned()).fails(
            format!("no service can declare it: RabbitMQ says \"{said}\"; ours are {ours}"),
            format!(
                "take the queue as it is: DWELL_QUEUE_DECLARE=passive; or set the DWELL_QUEUE_TYPE that it has (quorum or \
                 classic); or delete it while it is empty: rabbitmqctl delete_queue -p {} {} --if-empty",
                word(&virtual_host(url)),
                word(name)
            ),
        ),
        QueueState::NoRight { said } => seen("can't be declared".to_owned()).fails(
            format!("the user '{}' has no right to it: RabbitMQ says \"{said}\"", account(url)),
            format!(
                "on the broker: {}; or make the queues and set DWELL_QUEUE_DECLARE=passive",
                set_permissions(url)
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn dead_letters_that_wait_are_warned_of_and_events_that_wait_are_not() {
        let url = Redacted::url("amqp://broker/%2f");
        let verdict = |queue_of: Queue, messages| {
            let state = QueueState::Found { messages, consumers: 0 };
            queue(&url, &QueueFound { queue: queue_of, name: "a name".to_owned(), state }).verdict
        };

        let verdicts = [verdict(Queue::Dead, 4), verdict(Queue::Dead, 0), verdict(Queue::Exit, 4)];

        assert_eq!(verdicts, [Verdict::Warning, Verdict::Ok, Verdict::Ok]);
    }
}
