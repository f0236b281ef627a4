use proptest::prelude::*;

use super::*;
use crate::fixture::ServiceGrant;
use crate::prelude::*;

/// Receives `bytes` in pieces of `piece` bytes: the messages, and the error that ended them.
fn received<T: Message>(bytes: &[u8], piece: usize) -> (Vec<T>, Option<WireError>) {
    let (mut inbox, mut messages) = (Inbox::default(), Vec::new());
    for piece in bytes.chunks(piece.min(CHUNK)) {
        assert_eq!(inbox.receive(piece).unwrap(), piece.len());
        loop {
            match inbox.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(inbox.bytes.len() <= HEADER + MAX_BODY + CHUNK, "what is held stays within bounds");
    }
    (messages, None)
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let place = prop::option::of(".{0,9}");
    prop_oneof![
        Just(Outcome::Passed),
        (any::<String>(), place).prop_map(|(message, place)| Outcome::Failed { message, place }),
        any::<String>().prop_map(|message| Outcome::Error { message }),
        any::<String>().prop_map(|reason| Outcome::Skipped { reason }),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    let traces = prop::collection::vec(any::<String>(), 0..3);
    prop_oneof![
        (outcomes(), any::<[u64; 2]>(), traces).prop_map(|(outcome, [nanos, printed], traces)| {
            Answer::Ended(Report { outcome, nanos, printed, traces })
        }),
        any::<usize>().prop_map(Answer::Returned),
        (any::<usize>(), any::<String>())
            .prop_map(|(index, text)| Answer::Noted(Note { index, value: text.into() })),
        Just(()).prop_map(|()| Answer::StacksPrinted),
    ]
}

fn orders() -> impl Strategy<Value = Order> {
    let service = (any::<String>(), any::<String>()).prop_map(|(key, error)| ServiceGrant {
        key,
        environment: Vec::new(),
        granted: Err(error),
    });
    let services = prop::collection::vec(service, 0..3);
    let grants = (any::<u64>(), any::<String>(), services).prop_map(|(seed, temp, services)| {
        Grants { seed, temp: temp.into(), services, ..Grants::default() }
    });
    prop_oneof![
        (any::<usize>(), any::<String>(), grants).prop_map(|(index, path, grants)| {
            Order::Run(Assignment { index, path: path.into(), grants })
        }),
        Just(()).prop_map(|()| Order::Recall),
        Just(()).prop_map(|()| Order::PrintStacks),
        Just(()).prop_map(|()| Order::End),
    ]
}

/// That messages arrive as they were sent, in whatever pieces, and a cut-off end is waited for.
fn arrives<T: Message + std::fmt::Debug>(
    sent: &[T],
    piece: usize,
    cut_off: usize,
) -> Result<(), TestCaseError> {
    let mut bytes = Vec::new();
    sent.iter().for_each(|message| put(message, &mut bytes));
    let (messages, error) = received::<T>(&bytes, piece);
    prop_assert!(error.is_none(), "{error:?}");
    prop_assert_eq!(format!("{messages:?}"), format!("{sent:?}"));
    bytes.truncate(bytes.len().saturating_sub(cut_off));
    let (messages, error) = received::<T>(&bytes, piece);
    prop_assert!(error.is_none(), "{error:?}");
    prop_assert!(messages.len() < sent.len());
    Ok(())
}

#[dynamo_test]
fn messages_arrive_as_they_were_sent() {
    let answers = prop::collection::vec(answers(), 1..9);
    let orders = prop::collection::vec(orders(), 1..9);
    proptest!(|(answers in answers, orders in orders, piece in 1..99usize, cut_off in 1..99usize)| {
        arrives(&answers, piece, cut_off)?;
        arrives(&orders, piece, cut_off)?;
    });
}

#[dynamo_test]
fn any_bytes_are_messages_or_an_error_and_take_bounded_memory() {
    let bytes = prop::collection::vec(any::<u8>(), 0..9_999);
    // Bytes that look like a message at first get further.
    let headed = (any::<u8>(), 0..3_000u32, bytes.clone()).prop_map(|(kind, length, body)| {
        let header = [&MAGIC[..], &[kind], &length.to_le_bytes()].concat();
        [header, body].concat()
    });
    let known = prop::sample::select(vec![kind::RUN, kind::ENDED, kind::NOTED]);
    let body = prop::collection::vec(any::<u8>(), 0..99);
    let framed = (known, body).prop_map(|(kind, body)| {
        let length = body.len() as u32;
        [&MAGIC[..], &[kind], &length.to_le_bytes(), &body].concat()
    });
    proptest!(|(bytes in prop_oneof![bytes, headed, framed], piece in 1..9_999usize)| {
        let _ = received::<Answer>(&bytes, piece);
        let _ = received::<Order>(&bytes, piece);
    });
}

#[dynamo_test]
fn damage_within_messages_is_never_waited_on_for_more_than_a_message_takes() {
    let answers = prop::collection::vec(answers(), 1..9);
    proptest!(|(answers in answers, place in any::<prop::sample::Index>(), byte in any::<u8>())| {
        let mut bytes = Vec::new();
        answers.iter().for_each(|answer| put(answer, &mut bytes));
        let place = place.index(bytes.len());
        bytes[place] = byte;
        // Enough of them that a wrong length has come to its end.
        let filler = [0; HEADER + MAX_BODY];
        let (messages, error) = received::<Answer>(&[&bytes[..], &filler].concat(), 1 << 14);
        prop_assert!(messages.len() <= answers.len() + 1);
        prop_assert!(error.is_some());
    });
}

#[dynamo_test]
fn what_is_announced_as_too_long_is_refused_at_once() {
    let header = [&MAGIC[..], &[kind::ENDED], &u32::MAX.to_le_bytes()].concat();
    let (_, error) = received::<Answer>(&header, 1);
    assert!(matches!(error, Some(WireError::TooLong(_))), "{error:?}");
    let (_, error) = received::<Answer>(b"x", 1);
    assert!(matches!(error, Some(WireError::Foreign(_))), "{error:?}");
}

#[dynamo_test]
fn a_long_text_is_cut_between_characters() {
    let mut text = "ä".repeat(MAX_TEXT);
    cut(&mut text);
    assert!(text.ends_with("ä… [32768 more bytes]"), "{}", &text[MAX_TEXT - 9..]);
    let report =
        |outcome| Report { outcome, nanos: 0, printed: 0, traces: vec!["\u{1}".repeat(MAX_TEXT)] };
    let worst = Outcome::Failed { message: "\u{1}".repeat(MAX_TEXT), place: None };
    let mut bytes = Vec::new();
    put(&Answer::Ended(report(worst)), &mut bytes);
    assert!(bytes.len() < MAX_BODY);
}
