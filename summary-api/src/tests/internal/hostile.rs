//! Bodies that no correlator sends: nothing of them reaches the ledger that can't be read again, and none disturbs the
//! others.
//!
//! A correlator's decisions are trusted, so one that contradicts the ledger may be an internal error.

use parking::Timestamp;

use super::*;

async fn status(api: &Api, path: &str, body: Vec<u8>) -> u16 {
    send(&api.router, request(Method::POST, path, &[("content-type", wire::MEDIA_TYPE)], body)).await.status
}

#[tokio::test]
async fn lengths_without_end_are_refused() {
    let api = Api::new().await;
    let endless = [[0xff; 9].as_slice(), &[0x01]].concat();
    for path in [wire::LOAD, wire::RECORD, wire::DUE, wire::REPORT] {
        for body in [vec![], endless.clone(), vec![0xff; 1_000], [&[1], &endless[..]].concat(), vec![0x80; 1_000]] {
            let status = status(&api, path, body.clone()).await;
            assert!([400, 422].contains(&status), "{status} for {path} {body:?}");
        }
    }
    // An empty lot and plate, and no time: three bytes in the body, and much more in memory.
    let many = |count: u32| {
        let elements = vec![0; 3 * usize::try_from(count).unwrap()];
        [postcard::to_stdvec(&count).unwrap(), elements].concat()
    };
    let refused = async |count| {
        let headers = [("content-type", wire::MEDIA_TYPE)];
        send(&api.router, request(Method::POST, wire::LOAD, &headers, many(count))).await
    };
    assert!(refused(10_000).await.text().contains("a lot's name is not"));
    let too_many = refused(20_000_000).await;
    assert_eq!(too_many.status, 422);
    assert!(too_many.text().contains("20000000 vehicles in one call; allowed are 10000"), "{}", too_many.text());
}

#[tokio::test]
async fn an_event_that_no_parser_would_take_is_refused() {
    let api = Api::new().await;
    let unit = || Vehicles::default().entry("P3", "ABC123", minute(0));
    let wrongs: [fn(&mut Unit); 6] = [
        |unit| unit.events[0].key.time = Timestamp::from_millis(-1),
        |unit| unit.events[0].received_at = Timestamp::from_millis(i64::MAX),
        |unit| unit.events[0].plate_as_read = "-".repeat(257).into(),
        |unit| unit.events[0].confidence = Some(f32::NAN),
        |unit| {
            let (key, flags) = (unit.events[0].key, unit.events[0].flags);
            unit.flags.push((parking::EventKey { time: Timestamp::from_millis(i64::MIN), ..key }, flags));
        },
        |unit| unit.changes[0].entry.as_mut().unwrap().time = Timestamp::from_millis(i64::MAX),
    ];
    for (place, wrong) in wrongs.iter().enumerate() {
        let mut unit = unit();
        wrong(&mut unit);
        assert_eq!(call(&api, wire::RECORD, &vec![unit]).await.status, 422, "{place}");
    }
    assert_eq!(call(&api, wire::RECORD, &vec![unit()]).await.status, 200);
}

#[tokio::test]
async fn units_with_any_other_byte_disturb_no_other_call_and_what_they_recorded_can_be_read() {
    let api = Api::new().await;
    let length = postcard::to_stdvec(&vec![Vehicles::default().entry("P3", "H00000", minute(0))]).unwrap().len();
    for at in 0..length {
        for byte in [0x00, 0x7f, 0xff] {
            let unit = Vehicles::default().entry("P3", &format!("H{at:03}{byte:02X}"), minute(0));
            let mut body = postcard::to_stdvec(&vec![unit]).unwrap();
            body[at] = byte;
            let status = status(&api, wire::RECORD, body).await;
            assert!([200, 400, 422, 500].contains(&status), "{status} for byte {byte:#x} at {at}");
        }
    }
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    assert_eq!(call(&api, wire::RECORD, &vec![unit]).await.status, 200);
    for path in [
        "/api/v1/sessions?limit=1000",
        "/api/v1/changes",
        "/api/v1/status",
        "/api/v1/lots",
        "/api/v1/gates",
        "/",
        "/stays",
    ] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
}
