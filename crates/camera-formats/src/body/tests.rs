//! Bodies in all shapes.

use super::*;
use parking::Timestamp;

fn body(content_type: &str, bytes: &[u8]) -> Result<Body, String> {
    let delivery = Delivery { content_type: Some(content_type), ..Delivery::new(bytes, Timestamp::default()) };
    Body::parse(&delivery).map_err(|refusal| refusal.to_string())
}

#[test]
fn a_body_is_recognised_by_its_first_bytes_whatever_its_type_says() {
    for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""] {
        let json = body(content_type, b"\xef\xbb\xbf\r\n {\"a\": [1, 2.5, null, true, \"x\"]} ").unwrap();
        assert_eq!(json.documents[0].text("A/1"), Some("2.5"), "{content_type}");
        assert_eq!(json.documents[0].text("a/3"), Some("true"));
        assert_eq!(json.documents[0].text("a/2"), None);
        let xml =
            body(content_type, b"<?xml version=\"1.0\"?><ns:A xmlns:ns=\"u\"><ns:b>1</ns:b><b>2</b></ns:A>").unwrap();
        assert_eq!(xml.documents[0].text("a/b/1"), Some("2"), "{content_type}");
    }
}

#[test]
fn a_form_has_fields_and_a_field_may_be_a_document() {
    let form =
        body("application/x-www-form-urlencoded; charset=utf-8", b"camera=gate+1&json=%7B%22plate%22%3A%22AB1%22%7D")
            .unwrap();
    assert_eq!(form.fields.text("camera"), Some("gate 1"));
    assert_eq!(form.trees().next().unwrap().text("plate"), Some("AB1"));
}

#[test]
fn multipart_bodies_are_split_however_they_are_written() {
    let written = "--X\nContent-Disposition: form-data; name=\"event\"; filename=\"e.json\"\nContent-Type: application/json\n\n{\"a\":1}\n\
                   --X\nContent-Disposition: form-data; name=\"note\"\n\nhello\n\
                   --X\nContent-Disposition: form-data; name=\"p\"; filename=\"a.jpg\"\nContent-Type: image/jpeg\n\nnot --X a boundary\n";
    for (content_type, text) in [
        ("multipart/form-data; boundary=X", written.replace('\n', "\r\n") + "--X--\r\n"),
        ("multipart/mixed; boundary=\"X\"", written.to_owned() + "--X--"),
        ("Multipart/Form-Data", written.to_owned()),
        ("application/octet-stream", written.to_owned() + "--X--\n"),
    ] {
        let parsed = body(content_type, text.as_bytes()).unwrap();
        assert_eq!((parsed.documents.len(), parsed.images), (1, 1), "{content_type}");
        assert_eq!(parsed.documents[0].text("a"), Some("1"));
        assert_eq!(parsed.fields.text("note"), Some("hello"));
    }
    assert!(body("multipart/form-data; boundary=Y", b"--X\n\n{}\n").unwrap_err().contains("without the boundary"));
    let many = "--X\nContent-Disposition: form-data; name=\"n\"\n\nv\n".repeat(MAX_PARTS + 1);
    assert!(body("multipart/form-data; boundary=X", many.as_bytes()).unwrap_err().contains("more than 64 parts"));
}

#[test]
fn pictures_are_counted_and_dropped() {
    let json = format!("{{\"plate\":\"AB1\",\"image\":\"{}\"}}", "A".repeat(MAX_TEXT_BYTES + 1));
    let parsed = body("application/json", json.as_bytes()).unwrap();
    assert_eq!((parsed.images, parsed.documents[0].text("image")), (1, None));
    let xml = format!("<a><plate>AB1</plate><image>{}</image></a>", "A".repeat(MAX_TEXT_BYTES + 1));
    assert_eq!(body("", xml.as_bytes()).unwrap().images, 1);
    assert_eq!(body("image/jpeg", b"\xff\xd8\xff\xe0").unwrap().images, 1);
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_costs_memory() {
    let problem = |bytes: &[u8]| body("", bytes).unwrap_err();
    assert!(problem(&vec![b' '; MAX_BODY_BYTES + 1]).contains("allowed are 10485760"));
    assert!(problem(&b"[".repeat(100_000)).contains("deeper than 32"));
    assert!(problem("<a>".repeat(100_000).as_bytes()).contains("deeper than 32"));
    assert!(problem(format!("[{}0]", "0,".repeat(MAX_NODES)).as_bytes()).contains("50,000 values"));
    assert!(problem(format!("<a>{}</a>", "<b/>".repeat(MAX_NODES)).as_bytes()).contains("50,000 values"));
    let wide = (0..1_001).map(|n| format!("\"m{n}\":0")).collect::<Vec<_>>().join(",");
    assert!(problem(format!("{{{wide}}}").as_bytes()).contains("more than 1,000 members"));
    let wide = (0..1_001).map(|n| format!("<m{n}/>")).collect::<Vec<_>>().concat();
    assert!(problem(format!("<a>{wide}</a>").as_bytes()).contains("more than 1000 members"));
    assert!(problem(br#"{"plate":"AB1","plate":"CD2"}"#).contains("a member twice"));
}

#[test]
fn xml_has_no_document_type_and_no_entities_of_its_own() {
    let problem = |xml: &str| body("", xml.as_bytes()).unwrap_err();
    let bomb = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]><l>&b;</l>";
    assert!(problem(bomb).contains("document type"));
    assert!(problem("<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l/>").contains("document type"));
    assert!(problem("<l>&b;</l>").contains("entity"));
    assert!(problem("<l>&#0;</l>").contains("entity"));
    assert!(problem("<l a=\"&b;\"/>").contains("attribute"));
    let parsed = body("", b"<l a='&lt;&#x41;'>&amp;<![CDATA[<b>]]>&#66;</l>").unwrap();
    assert_eq!(parsed.documents[0].text("l"), Some("&<b>B"));
    assert_eq!(parsed.documents[0].text("l/@a"), Some("<A"));
    for broken in ["<l>", "<l></m>", "<l", "<l a=1>", "</l>", "<>", "<l><m></l></m>"] {
        assert!(body("", broken.as_bytes()).is_err(), "{broken}");
    }
}
