//! One connection through the proxy.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Fault, Weather};

const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks in flight, in one direction.
const CHUNKS_IN_FLIGHT: usize = 256;
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// How the transport in one direction ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// The sender has closed its half; the other direction may continue.
    Closed,
    /// The connection must be reset.
    Broken,
}

/// From the reading to the writing side of one direction. Without a regular end there is no end marker.
#[derive(Debug)]
enum Piece {
    /// Bytes, and when they are due at the other end.
    Bytes(Instant, Vec<u8>),
    End,
}

/// The bytes of this connection since the start of the fault with this number.
#[derive(Debug, Default)]
struct Passed {
    number: u64,
    bytes: u64,
}

/// Connects a client to `upstream` until one of them, or a fault, ends the connection.
pub(super) async fn serve(mut client: TcpStream, upstream: String, mut weather: watch::Receiver<Weather>) {
    if weather.borrow().fault == Fault::BlackHole {
        swallow(&mut client, &mut weather).await;
        reset(&client);
        return;
    }
    let connected = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(upstream)).await;
    let Ok(Ok(mut server)) = connected else {
        reset(&client);
        return;
    };
    // The proxy must not delay small writes; if this can't be set, the test still works.
    drop((client.set_nodelay(true), server.set_nodelay(true)));

    if transport(&mut client, &mut server, &weather).await == Ending::Broken {
        reset(&client);
        reset(&server);
    }
}

async fn transport(client: &mut TcpStream, server: &mut TcpStream, weather: &watch::Receiver<Weather>) -> Ending {
    let passed = Mutex::new(Passed::default());
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let there = carry(client_read, server_write, Direction::ToServer, weather.clone(), &passed);
    let back = carry(server_read, client_write, Direction::ToClient, weather.clone(), &passed);
    tokio::pin!(there, back);
    // A broken direction ends the other one; a closed one lets the other finish.
    tokio::select! {
        ending = &mut there => if ending == Ending::Broken { ending } else { back.await },
        ending = &mut back => if ending == Ending::Broken { ending } else { there.await },
    }
}

async fn carry(
    reader: ReadHalf<'_>,
    writer: WriteHalf<'_>,
    direction: Direction,
    weather: watch::Receiver<Weather>,
    passed: &Mutex<Passed>,
) -> Ending {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let (read, written) = tokio::join!(take(reader, sender, direction, weather, passed), give(writer, receiver));
    if read == Ending::Broken { read } else { written }
}

/// Reads chunks and sets the time when each is due at the other end.
async fn take(
    mut reader: ReadHalf<'_>,
    sender: mpsc::Sender<Piece>,
    direction: Direction,
    mut weather: watch::Receiver<Weather>,
    passed: &Mutex<Passed>,
) -> Ending {
    let mut lost = false;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let Weather { number, fault } = *weather.borrow_and_update();
        let swallows = fault == Fault::BlackHole || (fault == Fault::LoseReplies && direction == Direction::ToClient);
        if lost && !swallows {
            return Ending::Broken;
        }
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            // The next iteration checks for changes. If the proxy is gone, this task is ended from outside.
            Ok(()) = weather.changed() => continue,
            () = sender.closed() => return Ending::Broken,
        };
        let Ok(length) = read else { return Ending::Broken };
        if length == 0 {
            return if sender.send(Piece::End).await.is_ok() { Ending::Closed } else { Ending::Broken };
        }
        if swallows {
            lost = true;
            continue;
        }
        let allowed = allowance(passed, number, fault, length);
        let due = Instant::now() + if let Fault::Delay(delay) = fault { delay } else { Duration::ZERO };
        if sender.send(Piece::Bytes(due, buffer[..allowed].to_vec())).await.is_err() || allowed < length {
            return Ending::Broken;
        }
    }
}

/// How many of `length` bytes may pass; counts them.
fn allowance(passed: &Mutex<Passed>, number: u64, fault: Fault, length: usize) -> usize {
    let Fault::ResetAfter(limit) = fault else { return length };
    let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
    if passed.number != number {
        *passed = Passed { number, bytes: 0 };
    }
    let left = usize::try_from(limit.saturating_sub(passed.bytes)).unwrap_or(usize::MAX);
    let allowed = length.min(left);
    passed.bytes += allowed as u64;
    allowed
}

/// Writes chunks when they are due.
async fn give(mut writer: WriteHalf<'_>, mut receiver: mpsc::Receiver<Piece>) -> Ending {
    while let Some(piece) = receiver.recv().await {
        let Piece::Bytes(due, chunk) = piece else {
            // If the other side has gone already, there is no receiver.
            drop(writer.shutdown().await);
            return Ending::Closed;
        };
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        if writer.write_all(&chunk).await.is_err() {
            return Ending::Broken;
        }
    }
    Ending::Broken
}

/// Reads and discards until the black hole ends or the client gives up.
async fn swallow(client: &mut TcpStream, weather: &mut watch::Receiver<Weather>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while weather.borrow_and_update().fault == Fault::BlackHole {
        tokio::select! {
            read = client.read(&mut buffer) => if matches!(read, Ok(0) | Err(_)) { return },
            Ok(()) = weather.changed() => {}
        }
    }
}

/// Makes the end of a connection a reset instead of a regular close.
fn reset(stream: &TcpStream) {
    // If it fails, the stream is closed regularly, and the tests of this crate would show it.
    drop(stream.set_zero_linger());
}
