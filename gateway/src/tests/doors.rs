//! Every door: accepted means published, duplicates are harmless, refusals name the member.

use super::*;

#[tokio::test]
async fn an_accepted_event_is_in_its_queue_as_it_came_and_says_how_it_came() {
    let site = Site::new();
    let (status, answer) = json_of(post(&site.routes, EVENTS, "application/json", event(2).to_string()).await).await;
    assert_eq!((status, &answer["results"][0]["id"]), (StatusCode::ACCEPTED, &json!(id(2))));

    let messages = site.messages(Queue::Entry).await;
    assert_eq!(messages[0].body, event(2).to_string().as_bytes());
    let said = messages[0].properties.as_ref().unwrap();
    assert_eq!(said.headers["x-dwell-door"].to_string(), "http");
    assert_eq!(said.headers["x-dwell-format"].to_string(), "json");
    assert_eq!(said.headers["x-dwell-received"].to_string(), "2024-09-24T09:00:00.000Z");
}

#[tokio::test]
async fn an_array_has_a_result_for_each_element() {
    let site = Site::new();
    let mixed = json!([event(0), {"id": "x"}, event(1), {"schema_version": 9, "id": id(3), "vehicle_plate": "A", "entry_date_time": "2024-09-24T09:00:00Z"}]);
    let (status, answer) = json_of(post(&site.routes, EVENTS, "application/json", mixed.to_string()).await).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(2)));
    assert_eq!((&answer["results"][1]["status"], &answer["results"][1]["member"]), (&json!("refused"), &json!("id")));
    assert_eq!(answer["results"][3]["member"], "schema_version");
    assert_eq!((site.ids(Queue::Entry).await, site.ids(Queue::Exit).await), (vec![id(0)], vec![id(1)]));

    let (status, answer) = json_of(post(&site.routes, EVENTS, "application/json", r#"[{"id":1}]"#).await).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(0)));
    let (status, _) = json_of(post(&site.routes, EVENTS, "application/json", "[]").await).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_is_a_problem() {
    let site = Site::new();
    for (content_type, body, expected) in [
        ("application/json", b"not json".to_vec(), StatusCode::BAD_REQUEST),
        ("application/json", b"".to_vec(), StatusCode::BAD_REQUEST),
        ("application/json", b"[1,".to_vec(), StatusCode::BAD_REQUEST),
        ("application/json", vec![b' '; parking::wire::MAX_BODY_BYTES + 1], StatusCode::PAYLOAD_TOO_LARGE),
        ("application/json", format!("[{}0]", "0,".repeat(10_000)).into_bytes(), StatusCode::PAYLOAD_TOO_LARGE),
        ("text/xml", b"<a/>".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/cloudevents+json", b"[]".to_vec(), StatusCode::BAD_REQUEST),
    ] {
        let response = post(&site.routes, EVENTS, content_type, body).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let (status, problem) = json_of(response).await;
        assert_eq!((status, &problem["status"]), (expected, &json!(expected.as_u16())), "{problem}");
    }
    let encoded = Request::post(EVENTS).header(header::CONTENT_ENCODING, "gzip").body(Body::from("x")).unwrap();
    let response = site.routes.clone().oneshot(encoded).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, problem) = json_of(post(&site.routes, "/nowhere", "", "").await).await;
    assert!(status == StatusCode::NOT_FOUND && problem["detail"].as_str().unwrap().contains("/api/v1/events"));
}

#[tokio::test]
async fn cloud_events_are_taken_alone_and_in_batches() {
    let site = Site::new();
    let envelope = |number: usize| json!({"specversion": "1.0", "id": number.to_string(), "source": "/p3", "type": "gate", "data": event(number)});
    let one = post(&site.routes, EVENTS, "application/cloudevents+json; charset=utf-8", envelope(0).to_string()).await;
    assert_eq!(one.status(), StatusCode::ACCEPTED);
    let mut wrong = envelope(5);
    wrong["specversion"] = json!("0.3");
    let batch = json!([envelope(2), wrong, envelope(4)]);
    let (status, answer) =
        json_of(post(&site.routes, EVENTS, "application/cloudevents-batch+json", batch.to_string()).await).await;
    assert_eq!((status, &answer["results"][1]["member"]), (StatusCode::MULTI_STATUS, &json!("specversion")));
    assert_eq!(site.ids(Queue::Entry).await, [id(0), id(2), id(4)]);
}

#[tokio::test]
async fn rules_drop_events_and_send_them_to_another_lot() {
    let site = Site::new();
    let (mut own, mut moved) = (event(0), event(2));
    own["vehicle_plate"] = json!("own-1");
    moved["lot_id"] = json!("P7");
    for content_type in ["application/json", "application/x-ndjson"] {
        let body = if content_type == "application/json" {
            json!([own, moved]).to_string()
        } else {
            format!("{own}\n{moved}\n")
        };
        let (status, answer) = json_of(post(&site.routes, EVENTS, content_type, body).await).await;
        assert_eq!((status, &answer["accepted"], &answer["filtered"]), (StatusCode::ACCEPTED, &json!(1), &json!(1)));
        if content_type == "application/json" {
            assert_eq!(
                (&answer["results"][0]["status"], &answer["results"][0]["rule"]),
                (&json!("filtered"), &json!("own vehicles"))
            );
        }
    }
    let axis = json!({"capture_timestamp": "1795000000123", "plateUTF8": "OWN77"}).to_string();
    assert_eq!(post(&site.routes, "/cameras/axis/in-1", "application/json", axis).await.status(), StatusCode::OK);
    let bodies: Vec<Value> = site
        .messages(Queue::Entry)
        .await
        .iter()
        .map(|message| serde_json::from_slice(&message.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().all(|body| body["lot_id"] == "P3" && body["extra"] == true), "{bodies:?}");
    assert!(
        service_kit::metrics::render(&site.context.registry)
            .contains("dwell_gateway_events_filtered_total{rule=\"own vehicles\"} 3")
    );
}

#[tokio::test]
async fn a_stream_of_lines_is_published_whole_and_in_order() {
    let site = Site::new();
    let mut text: String = (0..5_000).map(|number| event(number).to_string() + "\n").collect::<Vec<_>>().concat();
    text.push_str("\nnot an event\n");
    text.push_str(&event(5_000).to_string());
    let (status, answer) =
        json_of(post(&site.routes, EVENTS, "application/x-ndjson", in_chunks(text, 1_000)).await).await;
    assert_eq!(status, StatusCode::MULTI_STATUS, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["refused"], &answer["lines"], &answer["confirmed_lines"]),
        (&json!(5_001), &json!(1), &json!(5_003), &json!(5_003))
    );
    assert_eq!((&answer["refusals"][0]["line"], &answer["refusals"][0]["member"]), (&json!(5_002), &json!("body")));
    let expected: Vec<String> = (0..=5_000).step_by(2).map(id).collect();
    assert_eq!(site.ids(Queue::Entry).await, expected);
    assert_eq!(site.ids(Queue::Exit).await.len(), 2_500);
}

#[tokio::test]
async fn a_message_of_a_camera_is_answered_as_its_sender_expects() {
    let site = Site::new();
    let axis = json!({"capture_timestamp": "1795000000123", "plateUTF8": "AB12XYZ", "plateConfidence": "0.8", "carID": "4", "carState": "new", "carMoveDirection": "unknown"});
    let (status, answer) =
        json_of(post(&site.routes, "/cameras/axis/in-1", "application/json", axis.to_string()).await).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(1)));
    let again = post(&site.routes, "/cameras/axis/in-1/secret", "text/plain", axis.to_string()).await;
    assert_eq!(again.status(), StatusCode::OK);
    let ids = site.ids(Queue::Entry).await;
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");

    let (status, problem) =
        json_of(post(&site.routes, "/cameras/axis/in-1", "application/json", r#"{"plateUTF8":"A"}"#).await).await;
    assert_eq!((status, &problem["member"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("capture_timestamp")));
    for path in ["/cameras/axis/in-9", "/cameras/unifi/in-1", "/cameras/axes/in-1"] {
        assert_eq!(post(&site.routes, path, "application/json", "{}").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_dahua_camera_at_the_fixed_paths_finds_its_gate_and_is_told_true() {
    let site = Site::new();
    let message = |device: &str| {
        json!({"Picture": {"Plate": {"IsExist": true, "PlateNumber": "AB12XYZ", "Confidence": 93},
            "SnapInfo": {"AccurateTime": "2026-11-18 18:06:40.305", "DeviceID": device, "Direction": "Obverse"}}})
    };
    let truth = json!({"result": "true"});
    let path = "/NotificationInfo/TollgateInfo";
    for device in ["DEVICE2", "DEVICE1", "DEVICE3"] {
        let (status, answer) =
            json_of(post(&site.routes, path, "application/json", message(device).to_string()).await).await;
        assert_eq!((status, answer), (StatusCode::OK, truth.clone()));
    }
    assert_eq!((site.ids(Queue::Entry).await.len(), site.ids(Queue::Exit).await.len()), (1, 1));
    for (path, body) in [("/NotificationInfo/KeepAlive", "{}"), (path, "{\"Picture\":{}}")] {
        let (status, answer) = json_of(post(&site.routes, path, "application/json", body).await).await;
        assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("true")));
    }
}

#[tokio::test]
async fn a_content_encoding_of_identity_is_taken_in_any_case_and_others_are_not() {
    let site = Site::new();
    for (encoding, expected) in [("Identity", 202), ("identity", 202), ("gzip", 415)] {
        let request = Request::post(EVENTS).header(header::CONTENT_ENCODING, encoding);
        let request = request.body(Body::from(event(1).to_string())).unwrap();
        let answer = site.routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{encoding}");
    }
}

#[tokio::test]
async fn every_described_route_is_there_and_every_route_is_described() {
    let site = Site::new();
    let description = description();
    let mut described = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let place =
                path.replace("{format}", "axis").replace("{gate_id}", "no-gate").replace("{kind}", "TollgateInfo");
            let asked =
                Request::builder().method(method.to_uppercase().as_str()).uri(place).body(Body::empty()).unwrap();
            let response = site.routes.clone().oneshot(asked).await.unwrap();
            let status = response.status();
            let expected = item[method]["responses"].as_object().unwrap();
            assert!(expected.contains_key(status.as_str()), "{method} {path}: {status}");
            let (_, problem) = json_of(response).await;
            assert!(!problem["detail"].as_str().unwrap_or_default().contains("no such route"), "{method} {path}");
            described.push(format!("{method} {path}"));
        }
    }
    described.sort();
    assert_eq!(
        described,
        [
            "post /DeviceInfo",
            "post /NotificationInfo/{kind}",
            "post /api/v1/events",
            "post /cameras/{format}/{gate_id}",
            "put /cameras/{format}/{gate_id}"
        ]
    );
    let route = description_route();
    let asked = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let (status, served) = json_of(route.oneshot(asked).await.unwrap()).await;
    assert_eq!((status, served), (StatusCode::OK, description));
}
