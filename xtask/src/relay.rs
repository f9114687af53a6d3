//! A bare TCP relay: one thread, one upstream connection per client connection, bytes forwarded
//! unread. Nothing that understands HTTP can cost less on this runtime, so it is the floor that
//! benches compare with.

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Relays until killed.
pub(crate) fn run(listen: &str, upstream: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (client, _) = listener.accept().await?;
            let upstream = upstream.to_owned();
            tokio::spawn(async move {
                let _ = relay(client, &upstream).await;
            });
        }
    })
}

async fn relay(client: TcpStream, upstream: &str) -> Result<()> {
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = client_read.read(&mut buffer).await {
            server_write.write_all(&buffer[..read]).await?;
        }
        server_write.shutdown().await?;
        anyhow::Ok(())
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = server_read.read(&mut buffer).await {
            client_write.write_all(&buffer[..read]).await?;
        }
        client_write.shutdown().await?;
        anyhow::Ok(())
    };
    tokio::try_join!(up, down).map(|_| ())
}
