//! The images.

/// What one image is made of.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Name of the archive's file, without its suffix.
    pub(super) file: String,
    /// Name and tag.
    pub(super) name: String,
    /// Crate that has the program.
    pub(super) package: &'static str,
    /// The program.
    pub(super) program: &'static str,
    /// Other programs that the image carries: crate, program, where the image has it.
    pub(super) also: &'static [(&'static str, &'static str, &'static str)],
    /// Where the image has it.
    pub(super) at: &'static str,
    /// User and group that it runs as.
    pub(super) user: &'static str,
    /// What is run.
    pub(super) entrypoint: Vec<String>,
    /// Environment, `NAME=value`.
    pub(super) environment: Vec<String>,
    /// Programs and libraries of the machine that the image carries too.
    pub(super) tools: &'static [&'static str],
    /// Symbolic links, and where they lead.
    pub(super) links: &'static [(&'static str, &'static str)],
}

/// What `weft-proxy redirect` and the CNI plugin call to set rules: nft, and iptables with its extensions.
const RULES: &[&str] = &[
    "/usr/sbin/nft",
    "/usr/sbin/xtables-nft-multi",
    "/usr/sbin/xtables-legacy-multi",
    "/usr/lib/x86_64-linux-gnu/xtables",
];
const RULE_LINKS: &[(&str, &str)] = &[
    ("/usr/sbin/iptables", "xtables-nft-multi"),
    ("/usr/sbin/iptables-save", "xtables-nft-multi"),
    ("/usr/sbin/iptables-restore", "xtables-nft-multi"),
    ("/usr/sbin/ip6tables", "xtables-nft-multi"),
    ("/usr/sbin/ip6tables-save", "xtables-nft-multi"),
    ("/usr/sbin/ip6tables-restore", "xtables-nft-multi"),
    ("/usr/sbin/iptables-legacy", "xtables-legacy-multi"),
    ("/usr/sbin/iptables-legacy-save", "xtables-legacy-multi"),
    ("/usr/sbin/iptables-legacy-restore", "xtables-legacy-multi"),
];

/// The user of Istio's proxy, whose traffic redirection leaves alone (row SD-01).
const PROXY: &str = "1337:1337";
/// Nobody in particular: the user of applications.
const APPLICATION: &str = "1000:1000";

/// Names and tag of the images that Istio's Bookinfo sample asks for.
const BOOKINFO: &str = "registry.istio.io/release/examples-bookinfo";
const BOOKINFO_TAG: &str = "1.20.3";
const BOOKINFO_SERVICES: [(&str, &str); 6] = [
    ("productpage", "v1"),
    ("details", "v1"),
    ("ratings", "v1"),
    ("reviews", "v1"),
    ("reviews", "v2"),
    ("reviews", "v3"),
];

/// All images.
pub(super) fn recipes(hub: &str, tag: &str) -> Vec<Recipe> {
    let own = |file: &str, package, program, at: &'static str| Recipe {
        file: file.to_owned(),
        name: format!("{hub}/{file}:{tag}"),
        package,
        program,
        also: &[],
        at,
        user: PROXY,
        entrypoint: vec![at.to_owned()],
        environment: Vec::new(),
        tools: &[],
        links: &[],
    };
    let mut all = vec![
        own("weftd", "weft-control", "weftd", "/usr/local/bin/weftd"),
        Recipe {
            tools: RULES,
            links: RULE_LINKS,
            ..own("weft-proxy", "weft-proxy", "weft-proxy", "/usr/local/bin/weft-proxy")
        },
        Recipe {
            // The plugin is put on the host, which is root's.
            user: "0:0",
            // Sets the rules.
            also: &[("weft-proxy", "weft-proxy", "/usr/local/bin/weft-proxy")],
            tools: RULES,
            links: RULE_LINKS,
            ..own("weft-cni", "weft-cni", "weft-cni", "/usr/local/bin/weft-cni")
        },
    ];
    all.extend(BOOKINFO_SERVICES.iter().map(|(service, version)| bookinfo(service, version)));
    all
}

fn bookinfo(service: &str, version: &str) -> Recipe {
    let at = "/usr/local/bin/weft-bookinfo";
    Recipe {
        file: format!("bookinfo-{service}-{version}"),
        name: format!("{BOOKINFO}-{service}-{version}:{BOOKINFO_TAG}"),
        package: "weft-bookinfo",
        program: "weft-bookinfo",
        also: &[],
        at,
        user: APPLICATION,
        entrypoint: [at, service, "--wildcard"].map(str::to_owned).to_vec(),
        // A pod is told to end before others know that it ends.
        environment: vec![
            "HOST=0.0.0.0".to_owned(),
            "SHUTDOWN_DELAY=2".to_owned(),
            format!("SERVICE_VERSION={version}"),
        ],
        tools: &[],
        links: &[],
    }
}
