//! Claims about which connection makes room for another one.

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn slots(connections: u32, unfinished_per_address: u32) -> Slots {
    Slots::new(Limits { connections, reserved: 1, unfinished_per_address, ..Limits::default() }, None)
}

impl Slots {
    fn slot(&self, address: &str) -> Slot {
        self.try_admit(address.parse().unwrap()).expect("a free slot")
    }

    fn idle(&self) -> Slot {
        let slot = self.slot("10.0.0.1");
        slot.begin(false, true);
        slot.answered();
        slot
    }
}

fn ended(slots: &[&Slot]) -> Vec<bool> {
    slots.iter().map(|slot| slot.is_ending()).collect()
}

#[test]
fn idle_connections_go_first_then_unfinished_requests_then_answers_that_nobody_reads() {
    let all = slots(6, 100);
    let unread = all.idle();
    unread.set_stalled(true);
    let (head, idle, younger_idle) = (all.slot("10.0.0.2"), all.idle(), all.idle());
    let (answering, pipelining) = (all.slot("10.0.0.3"), all.slot("10.0.0.4"));
    answering.begin(false, true);
    pipelining.begin(false, true);
    pipelining.set_stalled(true);
    let order = [&idle, &younger_idle, &head, &unread, &pipelining];

    for (slot, gone) in order.into_iter().zip(1..) {
        assert!(all.try_admit(HERE).is_none());
        assert_eq!(ended(&order), [1, 2, 3, 4, 5].map(|number| number == gone));
        // It ends, and another one that can't be closed takes its slot.
        all.table().set(slot.id, Phase::Idle);
        all.table().open.remove(&slot.id);
        let next = all.try_admit(HERE).unwrap();
        next.begin(false, false);
        std::mem::forget(next);
    }
    assert!(all.try_admit(HERE).is_none());
    assert_eq!(ended(&[&answering]), [false]);
}

#[test]
fn a_client_that_reads_again_keeps_its_connection() {
    let all = slots(1, 100);
    let slow = all.slot("10.0.0.1");
    slow.begin(false, true);
    slow.set_stalled(true);
    slow.set_stalled(false);

    assert!(all.try_admit(HERE).is_none());

    assert_eq!(ended(&[&slow]), [false]);
}

#[test]
fn only_one_connection_ends_for_one_that_waits() {
    let all = slots(2, 100);
    let idle = [all.idle(), all.idle()];

    assert!(all.try_admit(HERE).is_none() && all.try_admit(HERE).is_none());

    assert_eq!(ended(&[&idle[0], &idle[1]]), [true, false]);
    let [first, second] = idle;
    drop(first);
    let _place = all.try_admit(HERE).unwrap();
    assert_eq!(ended(&[&second]), [false]);
}

#[test]
fn a_connection_that_is_told_to_end_goes_on_when_what_it_waited_for_has_arrived() {
    let all = slots(1, 100);
    let head = all.slot("10.0.0.1");
    assert!(all.try_admit(HERE).is_none());
    assert_eq!(ended(&[&head]), [true]);

    assert!(head.begin(false, false));

    assert_eq!((ended(&[&head]), all.table().ending), (vec![false], 0));
    assert!(all.try_admit(HERE).is_none());
    head.answered();
    assert!(all.try_admit(HERE).is_none());
    assert_eq!(ended(&[&head]), [true]);
}

#[test]
fn the_share_of_an_address_is_of_its_unfinished_requests_alone() {
    let all = slots(100, 2);
    let [first, second, third] = ["10.0.0.7"; 3].map(|address| all.slot(address));
    let (elsewhere, _idle) = (all.slot("10.0.0.8"), all.idle());
    assert_eq!(ended(&[&first, &second, &third, &elsewhere]), [true, false, false, false]);

    second.begin(true, true);
    third.begin(false, true);
    let fourth = all.slot("10.0.0.7");
    assert_eq!(ended(&[&second, &third, &fourth]), [false, false, false]);

    let fifth = all.slot("10.0.0.7");
    assert_eq!(ended(&[&second, &third, &fourth, &fifth]), [true, false, false, false]);
    assert_eq!(all.table().unfinished.values().sum::<u32>(), 3);
}

#[test]
fn addresses_of_one_ipv6_network_and_mapped_ones_are_one_address() {
    let of = |text: &str| network(text.parse().unwrap()).to_string();
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(of("2001:db8:1:2:ffff::1"), of("2001:db8:1:2::1"));
    assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    assert_eq!(of("::ffff:10.0.0.1"), "10.0.0.1");
}

#[test]
fn requests_leave_the_reserve_to_health_and_metrics() {
    let all = slots(3, 100);
    let [first, second, third] = [HERE; 3].map(|address| all.try_admit(address).unwrap());
    assert_eq!([first.begin(true, true), second.begin(false, true), third.begin(false, true)], [true, true, false]);
    third.answered();
    assert!(third.begin(false, false));

    first.body_finished();
    first.answered();
    third.answered();
    assert!(third.begin(false, true));
}

#[test]
fn nothing_is_left_of_connections_that_have_ended() {
    let all = slots(10, 1);
    let (idle, head, body) = (all.idle(), all.slot("10.0.0.1"), all.slot("10.0.0.2"));
    body.begin(true, true);
    let beyond = all.slot("10.0.0.2");
    assert_eq!(all.table().ending, 1);

    drop([idle, head, body, beyond]);

    let table = all.table();
    assert!(table.open.is_empty() && table.unfinished.is_empty());
    assert_eq!((table.requests, table.ending), (0, 0));
}
