//! Which Kubernetes it is.

use kube::{Client, Error};

/// Major and minor version of the API server, such as (1, 35); zeros where it does not say numbers.
///
/// # Errors
/// The API server cannot be asked.
pub async fn version(client: &Client) -> Result<(u32, u32), Error> {
    let info = client.apiserver_version().await?;
    Ok((number(&info.major), number(&info.minor)))
}

/// Some distributions write `33+`.
fn number(text: &str) -> u32 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_with_a_suffix_are_read() {
        assert_eq!([number("33"), number("33+"), number(""), number("v1")], [33, 33, 0, 0]);
    }
}
