//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// A service mesh on this machine, without root and without Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "weft", version, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a whole mesh with Istio's Bookinfo sample in it, and look at it.
    Demo(DemoArgs),
    /// Start control plane and ingress gateway over a folder of Istio's YAML files.
    Up(UpArgs),
    /// Run a program with a sidecar in a mesh that `weft up` or `weft demo` started.
    Run(RunArgs),
    /// Put sidecars into the pods of a YAML file, as the webhook would.
    KubeInject(crate::kube_inject::KubeInjectArgs),
    /// Become a program that ends with its parent.
    #[command(name = crate::launch::SUBCOMMAND, hide = true)]
    ExecChild {
        /// Process that started us.
        parent: i32,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        argv: Vec<OsString>,
    },
}

/// `weft demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Folder for the mesh's YAML files; what is in it stays [default: a new temporary one, removed at the end
    /// unless you have changed it].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Port of the ingress gateway on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Requests a second at the product page; 0 sends none.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) rate: u32,
    /// End by itself after this time, such as 30s or 5m, with 0 only if every request succeeded.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) end_after: Option<Duration>,
    /// Time between two reports [default: 1s; 5s where standard output is not a terminal, but for --json].
    #[arg(long = "every", value_name = "TIME", value_parser = duration)]
    pub(crate) every: Option<Duration>,
    /// One JSON object for each report on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weft up`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UpArgs {
    /// Folder of YAML files, read again whenever one is saved.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Name of the mesh, for `weft run --mesh`.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = dns_label)]
    pub(crate) name: String,
    /// Port of the ingress gateway on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// End by itself after this time, such as 30s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) end_after: Option<Duration>,
    /// Time between two reports [default: 1s; 5s where standard output is not a terminal, but for --json].
    #[arg(long = "every", value_name = "TIME", value_parser = duration)]
    pub(crate) every: Option<Duration>,
    /// One JSON object for each report on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `weft run`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// Service that the program is part of: its label `app`.
    #[arg(long, value_name = "NAME", value_parser = dns_label)]
    pub(crate) service: String,
    /// Port of the service.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Further label of the workload, such as version=v1; may be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// What the service speaks, if no Service object says it.
    #[arg(long, value_enum, default_value_t = Protocol::Http)]
    pub(crate) protocol: Protocol,
    /// Port given to the program as PORT, to listen on at 127.0.0.1 [default: a free one]. A program that
    /// takes the port of the Service instead, or listens on one port only, is found there.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) app_port: Option<u16>,
    /// Namespace.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = dns_label)]
    pub(crate) namespace: String,
    /// Service account, the workload's identity.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = dns_label)]
    pub(crate) service_account: String,
    /// Mesh, if several run: the name given to `weft up --name`.
    #[arg(long, value_name = "NAME")]
    pub(crate) mesh: Option<String>,
    /// The program and its arguments; it is to listen on 127.0.0.1 and the port in its variable PORT.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// A protocol that Services are named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC.
    Grpc,
    /// Bytes.
    Tcp,
}

impl Protocol {
    /// Name of the Service's port.
    #[must_use]
    pub(crate) fn port_name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }
}

/// `30s`, `500ms`, `5m`, `1h`; a number alone is seconds. At least a tenth of a second.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("not a time: write it as 500ms, 30s, 5m or 1h".to_owned()),
    };
    let number: f64 =
        number.parse().map_err(|_| "not a time: write it as 500ms, 30s, 5m or 1h".to_owned())?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(time) if time >= Duration::from_millis(100) && time <= Duration::from_hours(24 * 365) => Ok(time),
        _ => Err("must be between 100ms and a year".to_owned()),
    }
}

/// A name as Kubernetes takes it (RFC 1123).
fn dns_label(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty()
        || text.len() > 50
        || !text.chars().all(good)
        || text.starts_with('-')
        || text.ends_with('-')
    {
        return Err("must be 1 to 50 lower-case letters, digits and inner hyphens".to_owned());
    }
    Ok(text.to_owned())
}

/// A label; commas and such could not be passed on.
fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || !key.chars().all(|c| good(c) || c == '/') || !value.chars().all(good) {
        return Err("may hold letters, digits, '-', '_' and '.', and the key one '/'".to_owned());
    }
    if value.len() > 63 || key.len() > 253 + 64 {
        return Err("is too long: 63 characters at most".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "-1s", "1d", "1e9", "0", "1ms", "99999999h", "..s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_command_suggests_the_right_one() {
        let error = Args::try_parse_from(["weft", "dmeo"]).unwrap_err().to_string();
        assert!(error.contains("demo"), "{error}");
        let error = Args::try_parse_from(["weft", "run", "--servce", "a"]).unwrap_err().to_string();
        assert!(error.contains("--service"), "{error}");
    }

    #[test]
    fn names_that_objects_cannot_have_are_refused() {
        for bad in ["", "A", "a.b", "-a", "a-", "a/b", "ä", &"a".repeat(51)] {
            assert!(dns_label(bad).is_err(), "{bad}");
        }
        for bad in ["version", "=v1", "a,b=c", "a=b,c", "a= b"] {
            assert!(label(bad).is_err(), "{bad}");
        }
        assert_eq!(label("version=v1"), Ok(("version".to_owned(), "v1".to_owned())));
    }
}
