//! Just enough SMTP that a mail is handed over whole. It is recorded and goes nowhere.

use crate::stream::{Io, Next};

/// A longer line is passed over.
const LINE_BYTES_MAX: usize = 64 << 10;

/// One connection.
#[derive(Default)]
pub(crate) struct Smtp {
    has_greeted: bool,
    is_in_mail: bool,
}

impl Smtp {
    /// Goes on as far as it can.
    pub(crate) fn advance(&mut self, io: &mut Io<'_>) -> Next {
        if !self.has_greeted {
            self.has_greeted = true;
            io.outbox.extend(b"220 mail ESMTP\r\n");
        }
        while let Some(end) = io.inbox.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = io.inbox.drain(..=end).collect();
            if !self.line(line.trim_ascii(), io.outbox) {
                return Next::close();
            }
            if !io.has_room() {
                return Next::wait();
            }
        }
        if io.inbox.len() > LINE_BYTES_MAX {
            io.inbox.clear();
        }
        if io.is_last {
            Next::close()
        } else {
            Next::wait()
        }
    }

    /// Answers one line; whether the connection goes on.
    fn line(&mut self, line: &[u8], outbox: &mut Vec<u8>) -> bool {
        if self.is_in_mail {
            if line == b"." {
                self.is_in_mail = false;
                outbox.extend(b"250 taken\r\n");
            }
            return true;
        }
        let verb = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let answer: &[u8] = match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" => b"250-mail\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n",
            b"HELO" | b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => b"250 yes\r\n",
            b"DATA" => {
                self.is_in_mail = true;
                b"354 go on\r\n"
            }
            b"STARTTLS" => b"454 TLS is not offered\r\n",
            b"QUIT" => {
                outbox.extend(b"221 bye\r\n");
                return false;
            }
            _ => b"502 no such command\r\n",
        };
        outbox.extend(answer);
        true
    }
}
