//! What the messages look like: names, numbers and types of fields, and the values of enums.
//!
//! A static table made at build time from the descriptors of envoy-types and from `proto/`. It covers
//! everything that a configuration, a dump or a discovery message can hold. Looking up costs a binary
//! search; nothing is parsed, allocated or relocated when the program starts.

mod enumeration;
mod field;
mod message;
mod rows;

pub use enumeration::EnumType;
pub use field::{Field, Kind};
pub use message::MessageType;

/// Size of the schema table in the program, in bytes.
pub const TABLE_BYTES: usize = rows::size();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stays_small() {
        println!("schema table: {TABLE_BYTES} bytes, {} messages", MessageType::all().count());
        const { assert!(TABLE_BYTES < 256 << 10) };
    }

    #[test]
    fn fields_are_found_by_both_names_and_by_number() {
        let cluster = MessageType::find("envoy.config.cluster.v3.Cluster").unwrap();
        let field = cluster.field_by_name("lb_policy").unwrap();
        assert_eq!((field.number(), field.json_name().as_str()), (6, "lbPolicy"));
        assert_eq!(cluster.field_by_name("lbPolicy").unwrap().number(), 6);
        assert_eq!(cluster.field(6).unwrap().name(), "lb_policy");
        assert!(cluster.field_by_name("LbPolicy").is_none());
        assert!(MessageType::find("envoy.config.cluster.v3.Clusters").is_none());
    }
}
