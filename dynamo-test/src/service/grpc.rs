//! As much gRPC as three calls need: one connection, unary calls, and protobuf's wire format of numbers, bytes and
//! messages. A full client would bring some sixty crates to every user.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;

/// Connects to a gRPC server and talks to it within `timeout`, on a runtime of its own.
pub(super) fn converse<T>(
    authority: &str,
    timeout: Duration,
    talk: impl AsyncFnOnce(Channel) -> Result<T, String>,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let conversation = async { talk(Channel::connect(authority).await?).await };
    runtime.block_on(async {
        match tokio::time::timeout(timeout, conversation).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f64())),
        }
    })
}

/// A connection that carries calls.
pub(super) struct Channel {
    requests: SendRequest<Bytes>,
    authority: String,
}

impl Channel {
    /// Connects to a server.
    pub(super) async fn connect(authority: &str) -> Result<Self, String> {
        let stream = tokio::net::TcpStream::connect(authority).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let (requests, connection) = h2::client::handshake(stream).await.map_err(text)?;
        // Ends with the channel, or with the runtime; its errors reach the calls.
        tokio::spawn(connection);
        Ok(Self { requests, authority: authority.to_owned() })
    }

    /// Calls a method with one message and returns the one it answers.
    pub(super) async fn call(&mut self, method: &str, message: Message) -> Result<Message, String> {
        let failed = |reason: String| format!("{method}: {reason}");
        let request = Request::post(format!("http://{}{method}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(text)?;
        self.requests = self.requests.clone().ready().await.map_err(text)?;
        let (response, mut body) = self.requests.send_request(request, false).map_err(text)?;
        body.send_data(message.framed(), true).map_err(text)?;

        let mut response = response.await.map_err(|error| failed(error.to_string()))?;
        let mut received = BytesMut::new();
        let stream = response.body_mut();
        while let Some(chunk) = stream.data().await {
            let chunk = chunk.map_err(text)?;
            // Giving the window back can fail only on a stream that has ended.
            let _ = stream.flow_control().release_capacity(chunk.len());
            received.extend_from_slice(&chunk);
        }
        let trailers = stream.trailers().await.map_err(text)?;
        // A call that fails at once has its status among the headers.
        let headers = trailers.as_ref().unwrap_or(response.headers());
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        match header("grpc-status") {
            Some("0") => Message::unframed(received.freeze()).map_err(failed),
            status => Err(failed(format!(
                "gRPC status {}: {}",
                status.unwrap_or("missing"),
                header("grpc-message").unwrap_or("no message")
            ))),
        }
    }
}

/// A protobuf message in its wire format.
#[derive(Clone, Default)]
pub(super) struct Message(BytesMut);

/// A field's value.
enum Value {
    Number(u64),
    Bytes(Bytes),
}

/// A byte that says whether the message is compressed, then its length.
const FRAME_HEADER: usize = 5;

impl Message {
    pub(super) fn with_number(mut self, field: u8, number: u64) -> Self {
        self.0.put_u8(field << 3);
        put_varint(&mut self.0, number);
        self
    }

    pub(super) fn with_bytes(mut self, field: u8, bytes: &[u8]) -> Self {
        self.0.put_u8(field << 3 | 2);
        put_varint(&mut self.0, bytes.len() as u64);
        self.0.put_slice(bytes);
        self
    }

    /// The number in a field.
    pub(super) fn number(&self, field: u64) -> Result<Option<u64>, String> {
        let fields = self.fields()?;
        Ok(fields.into_iter().find_map(|(number, value)| match value {
            Value::Number(value) if number == field => Some(value),
            _ => None,
        }))
    }

    /// The messages in a repeated field.
    pub(super) fn messages(&self, field: u64) -> Result<Vec<Self>, String> {
        let fields = self.fields()?;
        let messages = fields.into_iter().filter_map(|(number, value)| match value {
            Value::Bytes(bytes) if number == field => Some(Self(BytesMut::from(bytes))),
            _ => None,
        });
        Ok(messages.collect())
    }

    fn fields(&self) -> Result<Vec<(u64, Value)>, String> {
        let mut rest = self.0.clone().freeze();
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let tag = take_varint(&mut rest)?;
            let value = match tag & 7 {
                0 => Value::Number(take_varint(&mut rest)?),
                1 => Value::Bytes(take(&mut rest, 8)?),
                2 => {
                    let length = take_varint(&mut rest)?;
                    Value::Bytes(take(&mut rest, usize::try_from(length).map_err(text)?)?)
                }
                5 => Value::Bytes(take(&mut rest, 4)?),
                other => return Err(format!("protobuf wire type {other}")),
            };
            fields.push((tag >> 3, value));
        }
        Ok(fields)
    }

    fn framed(self) -> Bytes {
        let mut frame = BytesMut::with_capacity(FRAME_HEADER + self.0.len());
        frame.put_u8(0);
        frame.put_u32(self.0.len() as u32);
        frame.put_slice(&self.0);
        frame.freeze()
    }

    fn unframed(mut frame: Bytes) -> Result<Self, String> {
        let header = take(&mut frame, FRAME_HEADER)?;
        if header[0] != 0 {
            return Err("a compressed answer, though none was asked for".into());
        }
        Ok(Self(BytesMut::from(frame)))
    }
}

fn put_varint(buffer: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        buffer.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.put_u8(number as u8);
}

fn take_varint(bytes: &mut Bytes) -> Result<u64, String> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a protobuf number without end".into())
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, String> {
    if bytes.len() < length {
        return Err("the answer is cut short".into());
    }
    Ok(bytes.split_to(length))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn what_is_written_reads_back() {
        proptest!(|(number: u64, bytes: Vec<u8>)| {
            let inner = Message::default().with_number(1, number);
            let message = Message::default().with_bytes(3, &bytes).with_bytes(2, &inner.0);
            let framed = Message::unframed(message.framed()).unwrap();
            let read = framed.messages(2).unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].number(1).unwrap(), Some(number));
        });
    }

    #[dynamo_test]
    fn arbitrary_bytes_are_read_or_refused() {
        proptest!(|(bytes: Vec<u8>)| {
            if let Ok(message) = Message::unframed(Bytes::from(bytes)) {
                let _ = message.messages(2);
            }
        });
    }
}
