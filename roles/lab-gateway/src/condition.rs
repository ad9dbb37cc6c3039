//! The network's condition: packets pass at once, late and slowly, or not at all.

use std::collections::VecDeque;

use lab::control::Slow;
use lab::plan::Network;

/// What waits each way; more is dropped, as a router would.
const WAITING_BYTES_MAX: usize = 256 << 10;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The way between the device and the gateway, both directions.
pub(crate) struct Link {
    condition: Network,
    slow: Slow,
    out: Queue,
    inward: Queue,
}

/// Packets on their way.
#[derive(Default)]
struct Queue {
    packets: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    free_from_ns: u64,
}

impl Link {
    pub(crate) fn new(slow: Slow) -> Self {
        Self {
            condition: Network::Normal,
            slow,
            out: Queue::default(),
            inward: Queue::default(),
        }
    }

    /// Changes the condition. What was on its way in a slow network still arrives, unless the
    /// network is lost.
    pub(crate) fn set(&mut self, condition: Network) {
        self.condition = condition;
        if condition == Network::Lost {
            self.clear();
        }
    }

    /// Forgets what is on its way.
    pub(crate) fn clear(&mut self) {
        self.out = Queue::default();
        self.inward = Queue::default();
    }

    /// A packet of the subject sets out.
    pub(crate) fn send_out(&mut self, packet: Vec<u8>, now_ns: u64) {
        push(
            &mut self.out,
            (packet, now_ns),
            (self.condition, &self.slow),
        );
    }

    /// A packet for the subject sets out.
    pub(crate) fn send_in(&mut self, packet: Vec<u8>, now_ns: u64) {
        push(
            &mut self.inward,
            (packet, now_ns),
            (self.condition, &self.slow),
        );
    }

    /// The next packet that arrived here.
    pub(crate) fn arrived(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        self.out.pop(now_ns)
    }

    /// The next packet that arrives at the subject.
    pub(crate) fn arrives(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        self.inward.pop(now_ns)
    }

    /// When the next packet arrives anywhere.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let queues = [&self.out, &self.inward];
        let times = queues.iter().filter_map(|queue| queue.packets.front());
        times.map(|(time, _)| *time).min()
    }
}

fn push(queue: &mut Queue, (packet, now_ns): (Vec<u8>, u64), (condition, slow): (Network, &Slow)) {
    let is_full = queue.bytes.saturating_add(packet.len()) > WAITING_BYTES_MAX;
    let arrives_ns = match condition {
        Network::Lost => return,
        Network::Slow if is_full => return,
        Network::Normal => queue.packets.back().map_or(now_ns, |(last, _)| *last),
        Network::Slow => {
            let length = u64::try_from(packet.len()).unwrap_or(u64::MAX);
            let rate = slow.bytes_per_second.max(1);
            let takes_ns = length.saturating_mul(NS_PER_SECOND) / rate;
            queue.free_from_ns = queue.free_from_ns.max(now_ns).saturating_add(takes_ns);
            let delay_ns = slow.delay_ms.saturating_mul(1_000_000);
            queue.free_from_ns.saturating_add(delay_ns)
        }
    };
    queue.bytes = queue.bytes.saturating_add(packet.len());
    queue.packets.push_back((arrives_ns, packet));
}

impl Queue {
    fn pop(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        if self.packets.front()?.0 > now_ns {
            return None;
        }
        let (_, packet) = self.packets.pop_front()?;
        self.bytes = self.bytes.saturating_sub(packet.len());
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new(Slow {
            bytes_per_second: 1000,
            delay_ms: 100,
        })
    }

    #[test]
    fn normally_a_packet_is_there_at_once() {
        let mut link = link();
        link.send_out(vec![1], 5);
        assert_eq!(link.arrived(5), Some(vec![1]));
        assert_eq!(link.next_ns(), None);
    }

    #[test]
    fn in_a_slow_network_packets_are_late_and_queue() {
        let mut link = link();
        link.set(Network::Slow);
        link.send_in(vec![1; 100], 0);
        link.send_in(vec![2; 100], 0);
        assert_eq!(link.next_ns(), Some(200_000_000));
        assert_eq!(link.arrives(199_999_999), None);
        assert_eq!(link.arrives(200_000_000), Some(vec![1; 100]));
        assert_eq!(link.arrives(299_999_999), None);
        assert_eq!(link.arrives(300_000_000), Some(vec![2; 100]));
        for _ in 0..10_000 {
            link.send_in(vec![3; 1000], 0);
        }
        assert!(link.inward.bytes <= WAITING_BYTES_MAX);
    }

    #[test]
    fn in_a_lost_network_nothing_arrives() {
        let mut link = link();
        link.set(Network::Slow);
        link.send_out(vec![1], 0);
        link.set(Network::Lost);
        link.send_out(vec![1], 0);
        assert_eq!(link.arrived(u64::MAX), None);
        link.set(Network::Normal);
        link.send_out(vec![2], 0);
        assert_eq!(link.arrived(0), Some(vec![2]));
    }
}
