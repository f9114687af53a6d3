//! What a mesh is to consist of.

/// Which proxy carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// Ours.
    Weft,
    /// A real Envoy under `weft-proxy agent`.
    Envoy,
}

/// One workload of Bookinfo.
pub type Instance = (&'static str, &'static str);

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In front of every workload and as the gateway.
    pub proxy: Proxy,
    /// Service and version of each workload.
    pub workloads: Vec<Instance>,
    /// Whether there is a gateway.
    pub gateway: bool,
    /// Whether the applications are [echoes](super::echo::Echo) in place of Bookinfo.
    pub echo: bool,
    /// Life that workloads ask for their certificates, seconds; `None`: a day.
    pub certificate_seconds: Option<u64>,
}

impl Plan {
    /// All of Bookinfo and a gateway.
    pub fn bookinfo(proxy: Proxy) -> Self {
        let workloads = [
            ("productpage", "v1"),
            ("details", "v1"),
            ("reviews", "v1"),
            ("reviews", "v2"),
            ("reviews", "v3"),
            ("ratings", "v1"),
        ];
        Self { proxy, workloads: workloads.to_vec(), gateway: true, echo: false, certificate_seconds: None }
    }
}
