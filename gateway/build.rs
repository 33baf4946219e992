//! Makes the messages and the service of `proto/dwell/v1/events.proto`, and their description for reflection. Needs no
//! `protoc`.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

const ROOT: &str = "../proto";
const FILE: &str = "dwell/v1/events.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let files = protox::compile([FILE], [ROOT])?;
    std::fs::write(out.join("events.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure().build_transport(false).compile_fds(files)?;
    Ok(())
}
