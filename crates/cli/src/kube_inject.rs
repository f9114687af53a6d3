//! `weft kube-inject`: sidecars into files, as the webhook would put them into pods.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use weft_inject::{Injector, resource};

/// Longest file.
const MOST: u64 = 64 << 20;

/// What is injected, and by which settings.
#[derive(Debug, clap::Args)]
pub(crate) struct KubeInjectArgs {
    /// YAML with Pods or what makes them (Deployment, Job, List …); `-` is standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    filename: PathBuf,
    /// Where the result goes [default: standard output].
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Namespace of objects that name none.
    #[arg(short = 'n', long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// Key `config` of ConfigMap istio-sidecar-injector, as a file [default: policy enabled, nothing else].
    #[arg(long = "injectConfigFile", alias = "inject-config-file", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Key `values` of that ConfigMap, as a file [default: the defaults].
    #[arg(long = "valuesFile", alias = "values-file", value_name = "FILE")]
    values: Option<PathBuf>,
    /// The mesh's configuration (key `mesh` of ConfigMap istio), as a file [default: that in the values].
    #[arg(long = "meshConfigFile", alias = "mesh-config-file", value_name = "FILE")]
    mesh: Option<PathBuf>,
}

/// Reads, injects, writes.
///
/// # Errors
/// A file cannot be read or written, or something in it is no object that Kubernetes would take.
pub(crate) fn run(args: &KubeInjectArgs) -> Result<ExitCode> {
    let or = |path: &Option<PathBuf>, default: &str| match path {
        Some(path) => read(path),
        None => Ok(default.to_owned()),
    };
    let config = or(&args.config, "policy: enabled")?;
    let values = or(&args.values, "{}")?;
    let mut injector = Injector::new(&config, &values)?;
    if let Some(path) = &args.mesh {
        injector.set_mesh(&read(path)?).with_context(|| path.display().to_string())?;
    }
    let text = read(&args.filename)?;
    let text = resource::inject_text(&injector, &text, &args.namespace)
        .with_context(|| args.filename.display().to_string())?;
    match &args.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?,
        None => std::io::stdout().write_all(text.as_bytes()).context("writing to standard output")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MOST + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
        file.take(MOST + 1).read_to_string(&mut text)
    };
    read.with_context(|| format!("reading {}", path.display()))?;
    if text.len() as u64 > MOST {
        bail!("{}: longer than 64 MiB", path.display());
    }
    Ok(text)
}
