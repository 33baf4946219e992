//! The files that pages refer to: style, script and icon, part of the program.
//!
//! Their names hold a hash of their content, so a browser may keep each for ever and never has an old one.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::RawPathParams;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_64;

/// A file that is part of the program.
#[derive(Debug)]
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: String,
    media_type: &'static str,
    content: &'static [u8],
}

/// All of them.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) notices: Asset,
    pub(super) icon: Asset,
}

/// Made once from what the program was built with.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: asset("style", "css", "text/css; charset=utf-8", include_bytes!("assets/style.css")),
    script: asset("live", "js", "text/javascript; charset=utf-8", include_bytes!("assets/live.js")),
    notices: asset("notices", "js", "text/javascript; charset=utf-8", include_bytes!("assets/notices.js")),
    icon: asset("icon", "svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
});

fn asset(name: &str, extension: &str, media_type: &'static str, content: &'static [u8]) -> Asset {
    Asset { path: format!("/assets/{name}.{:016x}.{extension}", xxh3_64(content)), media_type, content }
}

/// The route of the files.
pub fn routes() -> Router {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(path: RawPathParams) -> Response {
    let name = path.iter().next().map_or("", |(_, value)| value);
    let Assets { style, script, notices, icon } = &*ASSETS;
    let found =
        [style, script, notices, icon].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name));
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, asset.content).into_response()
}
