//! Ports that no other test uses, in this process or in another.
//!
//! Binding port 0 and closing it again is a race: the kernel may assign the same port to another process before the
//! server binds it. So ports come from a range that the kernel never assigns by itself, and each is locked by a file
//! under the temporary folder while it is in use. The kernel releases the lock when the process ends.

use std::fs::{DirBuilder, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};

/// Below the kernel's ephemeral ports (32768 and up), above most well-known ones.
const PORT_MIN: u32 = 20_000;
const PORT_COUNT: u32 = 10_000;

/// A reserved port. Dropping it releases the port.
#[derive(Debug)]
pub(crate) struct Lease {
    port: u16,
    _lock: File,
}

impl Lease {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Reserves a port that has no lease and no listener.
    pub(crate) fn take() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);

        let folder = lock_folder()?;
        // Processes start at different offsets, so that parallel test binaries seldom try the same port.
        let start = std::process::id().wrapping_mul(37);
        for _ in 0..PORT_COUNT {
            let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORT_COUNT;
            let port = u16::try_from(PORT_MIN + offset).expect("the range ends below 65536");
            if let Some(lease) = Self::try_port(&folder, port)? {
                return Ok(lease);
            }
        }
        bail!("all ports from {PORT_MIN} to {} are in use", PORT_MIN + PORT_COUNT - 1)
    }

    fn try_port(folder: &Path, port: u16) -> anyhow::Result<Option<Self>> {
        let path = folder.join(port.to_string());
        let lock = File::create(&path).with_context(|| format!("cannot make the lock file {}", path.display()))?;
        let ours = lock.try_lock().is_ok();
        // A program that is not a test may listen there, on the loopback address or on all addresses.
        let free = ours && [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].iter().all(|ip| can_listen(*ip, port));
        Ok(free.then_some(Self { port, _lock: lock }))
    }
}

/// A port on the loopback address, reserved until this process ends.
///
/// # Panics
/// There is no free port, or the temporary folder can't be written.
pub fn free_port() -> u16 {
    static KEPT: Mutex<Vec<Lease>> = Mutex::new(Vec::new());

    let lease = Lease::take().expect("a free port on the loopback address");
    let port = lease.port();
    KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lease);
    port
}

fn can_listen(ip: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind((ip, port)).is_ok()
}

fn lock_folder() -> anyhow::Result<PathBuf> {
    // One folder per user, since users can't write each other's. Between users, the check for listeners has to
    // suffice.
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("dwell-testbed-ports-{user}"));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.with_context(|| format!("cannot make the folder {} for the locks on ports", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_while_it_is_in_use() {
        let leases: Vec<Lease> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..25).map(|_| Lease::take().unwrap()).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });

        let ports: BTreeSet<u16> = leases.iter().map(Lease::port).collect();

        assert_eq!(ports.len(), 100);
    }

    #[test]
    fn a_port_with_a_listener_is_passed_over() {
        let lease = Lease::take().unwrap();
        let port = lease.port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(lease);

        let again = Lease::try_port(&lock_folder().unwrap(), port).unwrap();

        assert!(again.is_none());
        drop(listener);
    }

    #[test]
    fn a_free_port_can_be_bound() {
        assert!(can_listen(Ipv4Addr::LOCALHOST, free_port()));
    }
}
