//! `/api/docs/`: Swagger UI for the description of the API. Its files come from a crate and are compiled into this
//! program; the page around it is our own. A browser loads nothing from other servers.

use std::borrow::Cow;
use std::sync::Arc;

use api::{Kind, Problem};
use axum::Router;
use axum::extract::RawPathParams;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::{Config, serve};

/// The path of the page.
pub(crate) const PATH: &str = "/api/docs/";
const PAGE: &str = "page.html";
/// Our own files: name, media type and content.
const OURS: [(&str, &str, &str); 3] = [
    (PAGE, "text/html; charset=utf-8", include_str!("assets/page.html")),
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
];
/// The files of Swagger UI that the page loads; the crate has more.
const OF_THE_LIBRARY: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
/// The content security policy. Unlike other pages it allows inline styles, which Swagger UI sets on elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its files.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/api/docs", get(|| async { Redirect::permanent(PATH) }))
        .route(PATH, get(|| std::future::ready(file(PAGE))))
        .route(
            "/api/docs/{file}",
            get(|path: RawPathParams| {
                let name = path.iter().next().map(|(_, name)| name.to_owned()).unwrap_or_default();
                std::future::ready(file(&name))
            }),
        )
}

fn file(name: &str) -> Result<Response, Problem> {
    let (media_type, bytes) = of_ours(name)
        .or_else(|| of_the_library(name))
        .ok_or_else(|| Problem::new(Kind::NotFound, "the page of the API description has no such file"))?;
    let media_type =
        HeaderValue::from_str(&media_type).map_err(|_| Problem::new(Kind::Internal, Kind::Internal.meaning()))?;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // Constant for a version of the program; loaded again after an hour, because an upgrade may replace the files.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    Ok((headers, bytes.into_owned()).into_response())
}

type File = (Cow<'static, str>, Cow<'static, [u8]>);

fn of_ours(name: &str) -> Option<File> {
    let (_, media_type, text) = OURS.iter().find(|(ours, ..)| *ours == name)?;
    Some((Cow::Borrowed(media_type), Cow::Borrowed(text.as_bytes())))
}

fn of_the_library(name: &str) -> Option<File> {
    let name = OF_THE_LIBRARY.iter().find(|file| **file == name)?;
    // The configuration applies only to Swagger UI's own page, which is not served.
    let file = serve(name, Arc::new(Config::default())).ok()??;
    Some((Cow::Owned(file.content_type), file.bytes))
}
