//! What is a time and what is none.

use super::*;

fn utc(text: &str) -> Result<String, String> {
    match moment("time", text) {
        Ok(Moment::Utc(time)) => Ok(time.to_string()),
        Ok(Moment::Local(time)) => Ok(format!("{time} local")),
        Ok(Moment::Received) => Ok("received".to_owned()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

#[test]
fn numbers_since_1970_are_taken_in_any_unit() {
    for text in ["1795000000", "1795000000000", "1795000000000000", "1795000000000000000", "1795000000.0"] {
        assert_eq!(utc(text), Ok("2026-11-18T11:06:40.000Z".into()), "{text}");
    }
    assert_eq!(utc("1795000000.123456"), Ok("2026-11-18T11:06:40.123Z".into()));
    assert_eq!(utc("1795000000123"), Ok("2026-11-18T11:06:40.123Z".into()));
    for text in ["0", "1", "17950000000", "99999999999999", "9999999999999999999", "946684799"] {
        assert!(utc(text).unwrap_err().contains("between the years 2000 and 2100"), "{text}");
    }
}

#[test]
fn dates_and_times_are_taken_as_firmware_writes_them() {
    for text in [
        "2026-11-18T18:06:40.305+07:00",
        "2026-11-18 18:06:40.305 +0700",
        "2026-11-18 11:06:40.305000Z",
        "2026/11/18 11:06:40,305 UTC",
        "20261118T080640.305-300",
        "20261118T080640.305-03",
        "20261118110640305Z",
    ] {
        assert_eq!(utc(text), Ok("2026-11-18T11:06:40.305Z".into()), "{text}");
    }
    for text in
        ["2026-11-18 18:06:40", "20261118 180640", "20261118180640", "2026-11-18T18:06:40", "2026-11-18 18-06-40"]
    {
        assert_eq!(utc(text), Ok("2026-11-18 18:06:40 local".into()), "{text}");
    }
    assert_eq!(utc("20260315T112740-300"), Ok("2026-03-15T14:27:40.000Z".into()));
    assert_eq!(utc("20261009010102345"), Ok("2026-10-09 01:01:02.345 local".into()));
    assert_eq!(utc("20210611 130538252"), Ok("2021-06-11 13:05:38.252 local".into()));
    let day = NaiveDate::from_ymd_opt(2026, 11, 18).unwrap();
    assert_eq!(clock("TIME", day, "15-42-10-125").unwrap().to_string(), "2026-11-18 15:42:10.125");
    assert!(clock("TIME", day, "03:42:10 PM").is_err() && date("DATE", "2026-11-18 BC").is_err());
}

#[test]
fn what_is_no_time_is_refused_with_what_is_allowed() {
    for text in [
        "",
        "now",
        "2026",
        "2026-11-18",
        "2026-02-30 10:00:00",
        "2026-11-18 24:00:00",
        "2026-11-18 10:00:60",
        "1970-01-01 00:00:00",
        "2026-11-18T18:06:40+99:00",
        "2026-11-18T18:06:40+7:-1",
        "-1795000000",
        "1e9",
        "NaN",
        "２０２６-11-18 18:06:40",
        "2026-11-18T18:06:4",
        "18/11/2026 18:06:40",
        "1795000000.-5",
    ] {
        let problem = utc(text).unwrap_err();
        assert!(problem.starts_with("time "), "{text}: {problem}");
    }
}
