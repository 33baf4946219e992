//! Small requests that would exhaust the stack, the processor or the memory of the process.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::{Answer, Api, request, send};
use super::data;

/// A deadline far below the duration of any of these requests, if it were executed.
const AT_ONCE: Duration = Duration::from_secs(5);

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    open.repeat(levels) + inner + &close.repeat(levels)
}

/// The longest URI that a client can send.
const ADDRESS_BYTES: usize = 65_000;

/// Sends the request in the query string; `None` if it does not fit.
async fn get(api: &Api, query: &str, variables: Option<&str>) -> Option<Answer> {
    let mut parameters = form_urlencoded::Serializer::new(String::new());
    parameters.append_pair("query", query);
    if let Some(variables) = variables {
        parameters.append_pair("variables", variables);
    }
    let address = format!("/graphql?{}", parameters.finish());
    if address.len() > ADDRESS_BYTES { None } else { Some(api.get(&address).await) }
}

/// The error of a request, which has to be equal and immediate in a query string and in a body.
async fn said(api: &Api, query: &str, variables: Option<&str>) -> String {
    let begun = Instant::now();
    let got = get(api, query, variables).await;
    let body = format!(r#"{{"query": {}, "variables": {}}}"#, json!(query), variables.unwrap_or("null"));
    let posted = api.post_json("/graphql", body).await;
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let message = |answer: &Answer| {
        let value: Value = answer.json();
        assert_eq!(value.get("data"), None, "{value}");
        let said = value["errors"][0]["message"].as_str().or_else(|| value["detail"].as_str());
        said.unwrap_or_else(|| panic!("no message in {value}")).to_owned()
    };
    let of_post = message(&posted);
    let of_get = got.map_or_else(|| of_post.clone(), |got| message(&got));
    // The error has the position in the sent text.
    let words =
        |text: &str| text.split(" at byte").next().unwrap_or_default().trim_start_matches("variables ").to_owned();
    assert_eq!(words(&of_get), words(&of_post));
    of_get
}

#[tokio::test]
async fn a_request_that_is_nested_too_deep_is_refused_before_it_is_parsed() {
    let api = Api::new().await;
    let lists = format!("{{sessions(states:{}){{__typename}}}}", nested("[", "", "]", 1_500));
    let objects = format!("{{sessions(states:{}){{__typename}}}}", nested("{a:", "1", "}", 1_500));
    let default = format!("query($a:[String]={}){{lots{{id}}}}", nested("[", "", "]", 1_500));
    let types = format!("query($a:{}){{lots{{id}}}}", nested("[", "String", "]", 1_500));
    let selections = nested("{lots", "{id}", "}", 1_500);
    let directive = format!("{{lots@a(b:{}){{id}}}}", nested("[", "", "]", 1_500));
    let inline = nested("{...", "{__typename}", "}", 1_500);
    let hidden = format!("{{lots(after:\"\"\"a\", first:{}){{id}}}}", nested("[", "", "]", 1_500));
    let unfinished = "{a(b:[".repeat(8_000);
    for query in [lists, objects, default, types, selections, directive, inline, unfinished] {
        let message = said(&api, &query, None).await;
        assert!(message.contains("nested deeper than 64 brackets"), "{message}");
    }
    assert!(said(&api, &hidden, None).await.contains("has no end"));
    let query = "query($a:[String!]){sessions(states:$a){__typename}}";
    for variables in [nested("[", "1", "]", 100), nested("{\"a\":", "1", "}", 5_000), nested("[", "1", "]", 7_000)] {
        let message = said(&api, query, Some(&format!("{{\"a\":{variables}}}"))).await;
        assert!(message.contains("nested deeper than 64 brackets"), "{message}");
    }
}

#[tokio::test]
async fn brackets_in_texts_are_not_counted_as_nesting() {
    let api = Api::new().await;
    let brackets = "[{(".repeat(500);
    let query =
        format!("# {brackets}\n{{ a: lot(id: \"\"\"{brackets}\"\"\") {{ id }} b: lot(id: \"{brackets}\") {{ id }} }}");
    assert_eq!(data(&api, &query, json!({})).await, json!({"a": null, "b": null}));
    let query = "query($id: String!) { lot(id: $id) { id } }";
    assert_eq!(data(&api, query, json!({"id": brackets})).await, json!({"lot": null}));
}

/// A chain of fragments; each spreads the next one several times.
fn exploding(fragments: usize, times: usize, last: &str) -> String {
    let spread = |number: usize| format!("...f{number} ").repeat(times);
    let inner = (0..fragments).map(|number| format!("fragment f{number} on Query{{{}}}", spread(number + 1)));
    format!("{{...f0}}{}fragment f{fragments} on Query{{{last}}}", inner.collect::<Vec<_>>().concat())
}

#[tokio::test]
async fn fragments_are_counted_as_often_as_they_are_spread_before_anything_expands_them() {
    let api = Api::new().await;
    let unused = format!("{{__typename}}{}", exploding(7, 30, "__typename").split_once('}').unwrap().1);
    let within_a_field = exploding(7, 30, "lots{id}").replace("{...f0}", "query A{lots{id}...f0} query B{...f0}");
    for query in [exploding(7, 30, "__typename"), exploding(60, 2, "__typename"), unused, within_a_field] {
        let message = said(&api, &query, None).await;
        assert!(message.contains("the maximum is 5000") || message.contains("the maximum is 50"), "{message}");
    }
    for query in [
        "{...a} fragment a on Query{...a}",
        "{...a} fragment a on Query{...b ...b} fragment b on Query{lots{id} ...a ...a}",
        "{__typename} fragment a on Query{...b} fragment b on Query{...a}",
    ] {
        assert!(said(&api, query, None).await.contains("spreads itself"), "{query}");
    }
    let chain = (0..1_500)
        .map(|number| format!("fragment f{number} on Query{{...f{}}}", number + 1))
        .collect::<Vec<_>>()
        .concat();
    assert!(said(&api, &format!("{{__typename}}{chain}"), None).await.contains("more than 64 nested selections"));
    let answered = data(&api, &exploding(3, 3, "lots{id}"), json!({})).await;
    assert_eq!(answered["lots"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn nothing_is_repeated_without_a_limit() {
    let api = Api::new().await;
    let many = |text: &str, times: usize| text.repeat(times);
    let in_fragment = "{...a ...a} fragment a on Query{".to_owned()
        + &(0..16).map(|number| format!("a{number}:__typename ")).collect::<Vec<_>>().concat()
        + "}";
    let numbers = "1,".repeat(2_000);
    for (query, part) in [
        (format!("{{lots{{{}}}}}", many("id @include(if:true) ", 2_000)), "the maximum is 5000"),
        (format!("query {}{{__typename}}", many("@a ", 6_000)), "the maximum is 5000"),
        (format!("{{...a {}}} fragment a on Query{{__typename}}", many("@a", 6_000)), "the maximum is 5000"),
        (format!("{{{}}}", many("status{settled} ", 51)), "51 fields of Query; the maximum is 50"),
        (exploding(3, 4, "status{settled}"), "64 fields of Query; the maximum is 50"),
        (
            format!("{{{}}}", (0..2_000).map(|n| format!("a{n}:lots{{id}} ")).collect::<Vec<_>>().concat()),
            "fields of Query",
        ),
        (
            format!("{{lots{{{}}}}}", (0..31).map(|n| format!("a{n}:id ")).collect::<Vec<_>>().concat()),
            "31 aliases; the maximum is 30",
        ),
        (in_fragment, "32 aliases; the maximum is 30"),
        (format!("{{lots{{{}}}}}", many("id(a:[1,1,1,1,1,1,1,1,1,1]) ", 2_000)), "the maximum is 5000"),
        (format!("{{lots(first:[{}]){{id}}}}", "1,".repeat(6_000)), "the maximum is 5000"),
        (format!("query($a:[Int]=[{numbers}]){{lots{{{}}}}}", many("id(a:$a) ", 10)), "the maximum is 5000"),
        (format!("{{{}}}", "a".repeat(20_000)), "more than 256 characters"),
        (
            nested("{__schema{types{fields", "{name}", "}", 1)
                .replace("{name}", &nested("{type{fields", "{name}", "}}", 4))
                + "}}",
            "the maximum is 1000000",
        ),
    ] {
        let message = said(&api, &query, None).await;
        assert!(message.contains(part), "{}: {message}", &query[..query.len().min(80)]);
    }
    let variables = format!("{{\"a\":[{}\"x\"]}}", "\"x\",".repeat(1_000));
    let query = format!("query($a:[String!]){{{}}}", many("sessions(states:$a){__typename} ", 40));
    assert!(said(&api, &query, Some(&variables)).await.contains("the maximum is 5000"));
}

#[tokio::test]
async fn an_answer_has_a_limited_number_of_errors() {
    let api = Api::new().await;
    let query = format!("{{{}}}", "nothing ".repeat(40));
    let answer: Value = api.post_json("/graphql", json!({"query": query}).to_string()).await.json();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 20, "{answer}");
}

#[tokio::test]
async fn a_request_that_was_not_executed_is_400_for_clients_that_know_the_type() {
    let api = Api::new().await;
    let ask = async |query: &str, accept: &str| {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        let body = json!({"query": query}).to_string();
        let answer = send(&api.router, request(Method::POST, "/graphql", &headers, body)).await;
        let value: Value = answer.json();
        let content_type = answer.header(axum::http::header::CONTENT_TYPE).to_owned();
        (answer.status, content_type, value.get("data").cloned(), value.get("errors").is_some())
    };
    let (of_graphql, of_json) = ("application/graphql-response+json", "application/json");
    for query in [
        "",
        "{",
        "{ nothing }",
        "mutation { save }",
        "query A { lots { id } } query B { lots { id } }",
        "{ ...a } fragment a on Query { ...a }",
        "{ lots(first: {}) { id } }",
        "query ($id: UUID!) { session(id: $id) { state } }",
    ] {
        assert_eq!(ask(query, of_graphql).await, (400, of_graphql.to_owned(), None, true), "{query}");
        assert_eq!(ask(query, of_json).await, (200, of_json.to_owned(), None, true), "{query}");
    }
    // A failed field is part of a response.
    let failed = "{ sessions(first: 0) { nodes { state } } }";
    assert_eq!(ask(failed, of_graphql).await, (200, of_graphql.to_owned(), Some(Value::Null), true));
    let both = "application/graphql-response+json;charset=utf-8, application/json;q=0.9";
    assert_eq!(ask("{ lots { id } }", both).await.0, 200);
    assert_eq!(ask("{", both).await.0, 400);
}

#[tokio::test]
async fn the_members_of_a_request_are_read_as_the_specification_has_them() {
    let api = Api::new().await;
    let query = "{ lots { id } }";
    for body in [
        json!({"query": query, "variables": null, "operationName": null, "extensions": null}),
        json!({"query": query, "variables": {}, "operationName": "", "extensions": {"persistedQuery": [1]}, "more": 1}),
    ] {
        let answer = api.post_json("/graphql", body.to_string()).await;
        assert!(answer.status == 200 && answer.json::<Value>()["data"]["lots"].is_array(), "{body}: {}", answer.text());
    }
    for parameters in ["", "&extensions=%7B%7D", "&variables=null", "&variables=%7B%7D&extensions=null", "&extensions="]
    {
        let answer = api.get(&format!("/graphql?query=%7Blots%7Bid%7D%7D{parameters}")).await;
        assert!(answer.json::<Value>()["data"]["lots"].is_array(), "{parameters}: {}", answer.text());
    }
    for (body, said) in [
        (json!({}), "query is missing; it contains the GraphQL document"),
        (json!({"query": null, "variables": {}}), "query is missing"),
        (json!({"query": 1}), "query is not a string"),
        (json!({"query": query, "variables": [1]}), "variables is not a JSON object"),
        (json!({"query": query, "operationName": {}}), "operationName is not a string"),
        (json!({"query": query, "extensions": "x"}), "extensions is not a JSON object"),
    ] {
        let answer = api.post_json("/graphql", body.to_string()).await;
        assert!(answer.status == 400 && answer.text().contains(said), "{body}: {} {}", answer.status, answer.text());
    }
    let wrong = api.get("/graphql?query=%7Blots%7Bid%7D%7D&extensions=1").await;
    assert!(wrong.status == 400 && wrong.text().contains("extensions is not a JSON object"), "{}", wrong.text());
}
