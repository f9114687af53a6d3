//! The programs that a mesh is made of, which lie beside `weft` itself.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Program names and the crates that hold them.
const PROGRAMS: [(&str, &str); 3] =
    [("weftd", "weft-control"), ("weft-proxy", "weft-proxy"), ("weft-bookinfo", "weft-bookinfo")];

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Siblings {
    /// The control plane.
    pub(crate) weftd: PathBuf,
    /// The data plane.
    pub(crate) proxy: PathBuf,
    /// Bookinfo.
    pub(crate) bookinfo: PathBuf,
}

impl Siblings {
    /// Finds the programs beside this one. Started by cargo (`cargo run -p weft-cli`), which builds only
    /// `weft`, it first has cargo build the others the same way: a fresh clone needs one command, and none of
    /// them is older than the sources. Started in any other way nothing is built.
    ///
    /// # Errors
    /// If one is missing, saying how to build it, or if building fails.
    pub(crate) fn find() -> Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program lies")?;
        let folder = own.parent().context("this program lies in no folder")?;
        // Of another package's run or test these variables would speak of that package.
        let ours = std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
        if let (true, Some(cargo), Some(manifest)) =
            (ours, std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR"))
        {
            build(&cargo, Path::new(&manifest), folder)?;
        }
        let find = |name: &str, package: &str| {
            let path = folder.join(name);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "there is no {name} beside {}; `cargo build --release -p {package}` builds it",
                own.display()
            )
        };
        let [weftd, proxy, bookinfo] = PROGRAMS;
        Ok(Self {
            weftd: find(weftd.0, weftd.1)?,
            proxy: find(proxy.0, proxy.1)?,
            bookinfo: find(bookinfo.0, bookinfo.1)?,
        })
    }
}

/// `cargo build` of the other programs into the folder where this one lies; says nothing if nothing is to do.
fn build(cargo: &OsStr, manifest: &Path, folder: &Path) -> Result<()> {
    let Some(arguments) = arguments(folder) else { return Ok(()) };
    let status = Command::new(cargo)
        .args(&arguments)
        .current_dir(manifest)
        .stdin(Stdio::null())
        // Ours may be read by a program (`--json`).
        .stdout(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the programs of the mesh were not built: see cargo's errors above");
    }
    Ok(())
}

/// Arguments by which cargo puts programs into `TARGET/PROFILE`.
fn arguments(folder: &Path) -> Option<Vec<OsString>> {
    let profile = match folder.file_name()?.to_str()? {
        "debug" => "dev",
        other => other,
    };
    let mut arguments: Vec<OsString> =
        ["build", "--profile", profile, "--target-dir"].iter().map(OsString::from).collect();
    arguments.push(folder.parent()?.into());
    for (_, package) in PROGRAMS {
        arguments.extend(["-p".into(), package.into()]);
    }
    Some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_built_into_the_folder_and_profile_of_this_one() {
        let text = |folder: &str| {
            let arguments = arguments(Path::new(folder)).unwrap();
            arguments.iter().map(|a| a.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        let packages = "-p weft-control -p weft-proxy -p weft-bookinfo";
        assert_eq!(text("/x/target/debug"), format!("build --profile dev --target-dir /x/target {packages}"));
        assert_eq!(
            text("/x/target/release"),
            format!("build --profile release --target-dir /x/target {packages}")
        );
    }
}
