//! Access to the calls of gRPC: every method × the tokens of the matrix, and what becomes of a stream.

use access::{Access, Token, Tokens};
use bus::Queue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request as Call};

use super::proto::events_client::EventsClient;
use super::proto::{Event, ExchangeRequest, ReportRequest, event::Time};
use super::*;
use crate::entrance::{KnownTokens, TokenList};
use crate::tests::matrix::{RIGHT, TOKENS, list, token};
use crate::tests::{Site, id};

/// A client of a site's gRPC port.
async fn client_of(site: &Site) -> EventsClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(Arc::clone(&site.gateway), listener);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    EventsClient::new(endpoint.connect().await.unwrap())
}

fn called<M>(message: M, token: Option<&str>) -> Call<M> {
    let mut call = Call::new(message);
    if let Some(token) = token {
        call.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    call
}

fn event_of_grpc() -> Event {
    let time = Time::EntryTime(prost_types::Timestamp { seconds: 1_727_168_400, nanos: 0 });
    let (lot_id, gate_id) = ("P3".to_owned(), "in-1".to_owned());
    Event { id: id(0), vehicle_plate: "AB1".to_owned(), time: Some(time), lot_id, gate_id, ..Event::default() }
}

#[tokio::test]
async fn each_call_of_grpc_takes_the_events_of_the_right_token_and_of_no_other() {
    let site = Site::behind(Access::Required, Some(list()));
    let mut client = client_of(&site).await;
    for (what, random, over_http) in TOKENS {
        let expected = match (over_http, what) {
            (401, _) => Code::Unauthenticated,
            (_, "a token of another scope") => Code::PermissionDenied,
            // Of another gate or lot: each event is refused.
            _ => Code::Ok,
        };
        let token = random.map(token);
        let shown = token.as_ref().map(Token::expose);
        let events = vec![event_of_grpc()];
        let reported = client.report(called(stream::iter([ReportRequest { events: events.clone() }]), shown)).await;
        let exchanged = client.exchange(called(stream::iter([ExchangeRequest { events }]), shown)).await;

        let code = |status: &Status| status.code();
        assert_eq!(reported.as_ref().map_or_else(code, |_| Code::Ok), expected, "{what}");
        assert_eq!(exchanged.as_ref().map_or_else(code, |_| Code::Ok), expected, "{what}");
        let (Ok(reported), Ok(exchanged)) = (reported, exchanged) else { continue };
        let (reported, is_right) = (reported.into_inner(), random == Some(RIGHT));
        assert_eq!((reported.accepted, reported.refused), if is_right { (1, 0) } else { (0, 1) }, "{what}");
        let answer = exchanged.into_inner().message().await.unwrap().unwrap();
        let members: Vec<&str> = answer.refusals.iter().map(|refusal| refusal.member.as_str()).collect();
        let member = if what.ends_with("gate") { "gate_id" } else { "lot_id" };
        assert_eq!((answer.accepted.len(), members), if is_right { (1, vec![]) } else { (0, vec![member]) }, "{what}");
    }
    assert_eq!(site.bus.depth(Queue::Entry).await.unwrap(), Some(2));
    site.context.lifecycle.stop();
}

/// Every method of the service is called above, and there is no other service with events.
#[test]
fn every_method_of_the_service_is_in_the_matrix() {
    let set = <prost_types::FileDescriptorSet as prost::Message>::decode(DESCRIPTION).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let methods = services
        .flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())));
    assert_eq!(methods.collect::<Vec<_>>(), ["Events/Report", "Events/Exchange"]);
}

#[tokio::test]
async fn a_stream_of_grpc_ends_when_its_token_is_revoked() {
    let list = list();
    let site = Site::behind(Access::Required, Some(Arc::clone(&list) as _));
    let mut client = client_of(&site).await;
    let first = stream::iter([ExchangeRequest { events: vec![event_of_grpc()] }]).chain(stream::pending());
    let mut answers = client.exchange(called(first, Some(token(RIGHT).expose()))).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, [id(0)]);

    list.replace(Tokens::default());

    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert!(ended.message().contains("no longer valid"), "{ended}");
    site.context.lifecycle.stop();
}

#[tokio::test]
async fn while_access_is_set_up_or_no_list_was_read_no_call_is_taken() {
    let unread: Arc<dyn KnownTokens> = Arc::new(TokenList::default());
    for (access, tokens, expected) in [
        (Access::Setup, list() as Arc<dyn KnownTokens>, Code::PermissionDenied),
        (Access::Required, unread, Code::Unavailable),
    ] {
        let site = Site::behind(access, Some(tokens));
        let call = called(stream::iter([ReportRequest::default()]), Some(token(RIGHT).expose()));
        let refused = client_of(&site).await.report(call).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{access:?}");
        site.context.lifecycle.stop();
    }
}
