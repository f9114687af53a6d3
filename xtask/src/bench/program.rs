//! Programs under measurement: started on a cpu of their own, their time and memory read from the kernel.

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where proxies run.
pub(super) const PROXY_CPU: usize = 0;
/// Where load generators, backends and this program run.
pub(super) const LOAD_CPU: usize = 1;
/// How often a starting program is asked whether it listens.
const ASK_EVERY: Duration = Duration::from_micros(200);
/// When a program that does not listen is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child, killed by its pid when dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// From its start to its first accepted connection.
    pub(super) started_in: Duration,
}

impl Program {
    /// Starts a program on one cpu and waits until it accepts at `port`.
    ///
    /// # Errors
    /// With what the program said, when it ends or does not listen in time.
    pub(super) fn start<S: AsRef<str>>(cpu: usize, words: &[S], port: u16, dir: &Path) -> Result<Self> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let path = dir.join(format!("{port}.log"));
        let log = File::create(&path)?;
        // A child inherits the cpus of the thread that starts it.
        pin(cpu)?;
        let begun = Instant::now();
        let child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        pin(LOAD_CPU)?;
        let child = child.with_context(|| format!("starting {words:?}"))?;
        let mut program = Program { child, started_in: Duration::ZERO };
        while TcpStream::connect(address(port)).is_err() {
            if program.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&path).unwrap_or_default();
                bail!("{} does not accept at {port}: {}", words.join(" "), last_lines(&said));
            }
            std::thread::sleep(ASK_EVERY);
        }
        program.started_in = begun.elapsed();
        Ok(program)
    }

    /// CPU time, user and system, of all its threads so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end while they are listed.
            let stat = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += stat.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// CPU time, user and system, of all threads that it ever had.
    pub(super) fn cpu_of_all(&self) -> Result<Duration> {
        let clock = nix::time::clock_getcpuclockid(Pid::from_raw(i32::try_from(self.child.id())?))?;
        Ok(Duration::from(clock.now()?))
    }

    /// Most memory that was resident at once so far, MB.
    pub(super) fn peak_memory(&self) -> f64 {
        self.memory("VmHWM:")
    }

    /// Memory resident now, MB.
    pub(super) fn memory_now(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked, or does not end in time.
    pub(super) fn end(&mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        nix::sys::signal::kill(Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("process {pid} does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<f64>().ok());
        kilobytes.unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binds this thread, and what it starts, to one cpu.
///
/// # Errors
/// Where the machine has no such cpu.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("no cpu {cpu}: a bench needs two"))
}

/// A port on loopback.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
