//! What one change of an endpoint costs, in a small mesh and in a large one.

use std::sync::Arc;

use weft_api::Object;
use weft_compile::Capabilities;
use weft_compile::fleet::Fleet;
use weft_model::{MeshConfig, Snapshot};
use weft_proto::resource::{DiffItem, Named};

use crate::mesh::proxy;

fn decode(text: &str) -> Vec<Arc<Object>> {
    weft_api::decode(text, "mesh.yaml").into_iter().map(|one| Arc::new(one.object.unwrap())).collect()
}

fn pod(service: usize, number: usize, ready: bool) -> Arc<Object> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: s{service}-{number}, namespace: n{}, labels: {{app: s{service}, part-of: all}}}}\n\
         spec: {{containers: [{{name: c, image: c}}]}}\n\
         status: {{podIP: 10.{}.{}.{number}, conditions: [{{type: Ready, status: '{}'}}]}}\n",
        service % 10,
        service / 250,
        service % 250,
        if ready { "True" } else { "False" },
    );
    decode(&text).remove(0)
}

fn service(number: usize) -> Arc<Object> {
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: n{}}}\n\
         spec: {{clusterIP: 10.200.{}.{}, selector: {{app: s{number}}}, ports: [{{name: http, port: 80}}, {{name: tcp, port: 3306}}]}}\n",
        number % 10,
        number / 250,
        number % 250,
    );
    decode(&text).remove(0)
}

/// Objects visited, resources built, proxies looked at, resources and bytes that changed.
fn cost(services: usize) -> (usize, u64, u64, usize, usize) {
    let mut objects: Vec<_> = (0..services).map(service).collect();
    objects.extend((0..services).flat_map(|service| (1..=2).map(move |number| pod(service, number, true))));
    let mut fleet = Fleet::new(Arc::new(Snapshot::build(&objects, &MeshConfig::default(), 1)));
    let mut had = std::collections::BTreeMap::new();
    for id in 0..4_u64 {
        let name = format!("s{id}-1.n{}", id / 2);
        let address = format!("10.0.{id}.1");
        let capabilities = if id % 2 == 0 { Capabilities::WEFT } else { Capabilities::ISTIO };
        let proxy = proxy("sidecar", &address, &name, "t", "REDIRECT", capabilities);
        had.insert(id, fleet.add(id, &proxy).unwrap());
    }
    let work = fleet.work();
    let changes = [(Some(pod(50, 2, true)), Some(pod(50, 2, false)))];
    let all = || panic!("all objects were asked for");
    let (next, made) = fleet.snapshot().after(&changes, all, 2);
    let (mut resources, mut bytes) = (0, 0);
    fleet.turn(Arc::new(next), |id, set| {
        for (type_url, named) in &set.by_type {
            let before = had[&id].of(type_url).cloned().unwrap_or_else(Named::new);
            for item in before.diff(named) {
                let DiffItem::Update { new: (_, resource), .. } = item else { panic!("{item:?}") };
                resources += 1;
                bytes += resource.body.value.len();
            }
        }
    });
    let after = fleet.work();
    (made.visited, after.built - work.built, after.proxies - work.proxies, resources, bytes)
}

#[test]
fn one_endpoint_costs_the_same_at_a_hundred_and_at_five_thousand_services() {
    let small = cost(100);
    assert_eq!(small, cost(5_000));
    let (visited, built, proxies, resources, bytes) = small;
    // The pod and its service; cluster and endpoints of two ports, for each of two sorts of proxies.
    assert_eq!((visited, built), (2, 8));
    // Each proxy gets the endpoints of both ports.
    assert_eq!((proxies, resources), (4, 8));
    assert!(bytes > 0);
}
