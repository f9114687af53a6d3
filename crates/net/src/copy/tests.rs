use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn passes_half_closes_on_and_counts_early_bytes() {
    let (mut client, a) = pair().await;
    let (b, mut server) = pair().await;
    let copied = tokio::spawn(async move {
        let (mut a, mut b) = (Stream::Tcp(a), Stream::Tcp(b));
        copy_sockets(&mut a, &mut b, BytesMut::from("early "), CopyOptions::default(), &mut ()).await
    });
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "early question");
    // A has ended, but the answer still goes through.
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    let report = copied.await.unwrap();
    assert_eq!((report.from_a, report.from_b), (14, 6));
    assert_eq!((report.a, report.b, report.first), (End::Eof, End::Eof, Some(Side::A)));
    assert!(!report.idle);
}

/// Sends a pattern both ways at once and compares every byte.
async fn transfer(splice_after: u64, size: usize) -> (CopyReport, u64) {
    let (client, a) = pair().await;
    let (b, server) = pair().await;
    let copied = tokio::spawn(async move {
        let mut metered = 0;
        let mut meter = |_: Side, bytes: u64| metered += bytes;
        let options = CopyOptions { splice_after, ..CopyOptions::default() };
        let report =
            copy_sockets(&mut Stream::Tcp(a), &mut Stream::Tcp(b), BytesMut::new(), options, &mut meter)
                .await;
        (report, metered)
    });
    let talk = |stream: TcpStream, factor: usize| async move {
        let sent: Vec<u8> = (0..size).map(|i| (i * factor % 251) as u8).collect();
        let (mut read, mut write) = stream.into_split();
        let sending = tokio::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        sending.await.unwrap();
        got
    };
    let (at_client, at_server) = tokio::join!(talk(client, 7), talk(server, 11));
    assert!(at_client.iter().enumerate().all(|(i, b)| *b == (i * 11 % 251) as u8));
    assert!(at_server.iter().enumerate().all(|(i, b)| *b == (i * 7 % 251) as u8));
    assert_eq!((at_client.len(), at_server.len()), (size, size));
    copied.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_space_and_kernel_move_the_same_bytes() {
    for splice_after in [u64::MAX, SPLICE_AFTER, 0] {
        let (report, metered) = transfer(splice_after, 8 << 20).await;
        assert_eq!((report.from_a, report.from_b), (8 << 20, 8 << 20), "splice after {splice_after}");
        assert_eq!((report.a, report.b), (End::Eof, End::Eof));
        assert_eq!(metered, 16 << 20);
    }
}

/// Bulk, then small messages, then bulk again: bytes and counts are right whichever way they go.
#[tokio::test]
async fn a_lane_changes_between_kernel_and_buffer_without_losing_a_byte() {
    let (mut client, a) = pair().await;
    let (b, mut server) = pair().await;
    let copied = tokio::spawn(async move {
        let (mut a, mut b) = (Stream::Tcp(a), Stream::Tcp(b));
        let options = CopyOptions { splice_after: 0, ..CopyOptions::default() };
        copy_sockets(&mut a, &mut b, BytesMut::new(), options, &mut ()).await
    });
    let mut total = 0_u64;
    for (round, pieces) in [(1, 40), (2, 30), (3, 40)] {
        let size = if round == 2 { 100 } else { 256 * 1024 };
        for piece in 0..pieces {
            let sent: Vec<u8> = (0..size).map(|i| ((i * 7 + piece + round) % 251) as u8).collect();
            let mut got = vec![0; size];
            let (wrote, read) = tokio::join!(client.write_all(&sent), server.read_exact(&mut got));
            wrote.unwrap();
            read.unwrap();
            assert!(got == sent, "piece {piece} of round {round}");
            total += size as u64;
            server.write_all(b"ok").await.unwrap();
            let mut answer = [0; 2];
            client.read_exact(&mut answer).await.unwrap();
        }
    }
    drop(client);
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    drop(server);
    let report = copied.await.unwrap();
    assert_eq!((report.from_a, report.from_b), (total, 2 * 110));
    assert_eq!((report.a, report.b, report.first), (End::Eof, End::Eof, Some(Side::A)));
}

#[tokio::test]
async fn a_reset_ends_both_sides_and_is_reported() {
    let (client, a) = pair().await;
    let (b, mut server) = pair().await;
    let copied = tokio::spawn(async move {
        copy_sockets(
            &mut Stream::Tcp(a),
            &mut Stream::Tcp(b),
            BytesMut::new(),
            CopyOptions::default(),
            &mut (),
        )
        .await
    });
    let client = Stream::Tcp(client);
    client.reset_on_close().unwrap();
    drop(client);
    let report = copied.await.unwrap();
    assert_eq!((report.a, report.b, report.first), (End::Reset, End::Open, Some(Side::A)));
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_counts_from_the_last_byte() {
    let (mut client, mut a) = tokio::io::duplex(64);
    let (mut b, mut server) = tokio::io::duplex(64);
    let options = CopyOptions { idle: Some(Duration::from_secs(10)), ..CopyOptions::default() };
    let begin = Instant::now();
    let copied = tokio::spawn(async move { copy(&mut a, &mut b, BytesMut::new(), options, &mut ()).await });
    tokio::time::sleep(Duration::from_secs(7)).await;
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    let report = copied.await.unwrap();
    assert!(report.idle);
    assert_eq!((report.a, report.b, report.first), (End::Open, End::Open, None));
    assert_eq!(begin.elapsed().as_secs(), 17);
}

#[tokio::test]
async fn a_slow_reader_bounds_what_is_held() {
    let (mut client, mut a) = tokio::io::duplex(1 << 20);
    let (mut b, server) = tokio::io::duplex(16);
    let copied = tokio::spawn(async move {
        let mut taken = 0;
        let mut meter = |_: Side, bytes: u64| taken += bytes;
        let options = CopyOptions { idle: Some(Duration::from_millis(200)), ..CopyOptions::default() };
        copy(&mut a, &mut b, BytesMut::new(), options, &mut meter).await;
        taken
    });
    client.write_all(&vec![0; 1 << 20]).await.unwrap();
    let taken = copied.await.unwrap();
    assert!(taken <= (BUFFER_MAX + 16) as u64, "{taken} bytes were read for a reader that takes none");
    drop(server);
}

/// Gives bytes, then fails; takes nothing.
struct Failing(Vec<u8>, io::ErrorKind);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(self.1.into()));
        }
        let count = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_failure_is_passed_on_for_a_bounded_time() {
    let sent: Vec<u8> = (0..40_000_u32).map(|i| (i % 251) as u8).collect();
    let mut a = Failing(sent.clone(), io::ErrorKind::ConnectionReset);
    let (mut b, mut server) = tokio::io::duplex(1000);
    let copied =
        tokio::spawn(
            async move { copy(&mut a, &mut b, BytesMut::new(), CopyOptions::default(), &mut ()).await },
        );
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    let report = copied.await.unwrap();
    assert_eq!((report.from_a, report.a, report.b), (40_000, End::Reset, End::Open));

    // Nobody reads. (With more than the buffer takes, the failure would not even be seen.)
    let mut a = Failing(sent[..5000].to_vec(), io::ErrorKind::ConnectionReset);
    let (mut b, _server) = tokio::io::duplex(1000);
    let begin = Instant::now();
    copy(&mut a, &mut b, BytesMut::new(), CopyOptions::default(), &mut ()).await;
    assert_eq!(begin.elapsed().as_secs(), FLUSH_LIMIT.as_secs());
}

#[tokio::test]
async fn tls_without_close_notify_is_an_end() {
    let mut a = Failing(b"all".to_vec(), io::ErrorKind::UnexpectedEof);
    let (mut b, mut server) = tokio::io::duplex(1000);
    let copied =
        tokio::spawn(
            async move { copy(&mut a, &mut b, BytesMut::new(), CopyOptions::default(), &mut ()).await },
        );
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"all");
    drop(server);
    let report = copied.await.unwrap();
    assert_eq!((report.a, report.b), (End::Eof, End::Eof));
}
