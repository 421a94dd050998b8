/**
 * Ready-made checks: what each says and how it reads the answers, whole and byte by byte. The bytes that are sent are
 * those seen on the wire from HAProxy 2.6.
 */
import t from 'tap';
import { readyMadeCheck } from '../../../lib/backend/health/ready-made.js';
import type { ExpectAction, Received } from '../../../lib/backend/health/steps.js';
import type { ReadyMadeCheck } from '../../../lib/config/health-model.js';
import { fakeStream } from '../../fixtures/stream-view.js';

const view = fakeStream();

function sent(check: ReadyMadeCheck): string[] {
	return readyMadeCheck(check).actions.flatMap((action) =>
		action.kind === 'send' ? [Buffer.from(action.data(view, '') ?? '', 'latin1').toString('hex')] : [],
	);
}

t.test('what is sent', async (t) => {
	t.same(sent({ kind: 'redis' }), [Buffer.from('*1\r\n$4\r\nPING\r\n').toString('hex')]);
	t.same(sent({ kind: 'ldap' }), ['300c020101600702010304008000']);
	t.same(sent({ kind: 'pgsql', user: 'joe' }), ['000000120003000075736572006a6f650000']);
	t.same(sent({ kind: 'mysql', user: 'joe', post41: true }), [
		'2500000100820000008000012100000000000000000000000000000000000000000000006a6f6500000100000001',
	]);
	t.same(sent({ kind: 'mysql', user: undefined, post41: true }), []);
	t.same(sent({ kind: 'smtp', command: 'EHLO a.b' }), [
		Buffer.from('EHLO a.b\r\n').toString('hex'),
		Buffer.from('QUIT\r\n').toString('hex'),
	]);
	const [hello = ''] = sent({ kind: 'ssl-hello' });
	t.equal(hello.slice(0, 22), '1603000079010000750300', `then the time and 28 bytes of our own`);
	t.equal(hello.length / 2, 126);
	const suites =
		'00004e000100020003000400050006000700080009000a000b000c000d000e000f0010001100120013001400150016001700180019001a001b002f0030003100320033003400350036003700380039003a0100';
	t.equal(hello.slice(-suites.length), suites);
});

function packet(payload: string): string {
	return `${String.fromCharCode(payload.length)}\0\0\0${payload}`;
}

const GREETING = packet(`\x0a5.5.5-MariaDB\0${'\0'.repeat(59)}`);

/** A check, which of its expectations, what comes, how it is judged: `code info`, with `!` for a failure. */
const ANSWERS: readonly (readonly [ReadyMadeCheck, number, string, string])[] = [
	[{ kind: 'redis' }, 0, '+PONG\r\n', 'L7OK 0 Redis server is ok'],
	[{ kind: 'redis' }, 0, '-NOAUTH Authentication required.\r\n', '!L7STS 0 -NOAUTH Authentication required.'],
	[{ kind: 'redis' }, 0, '+PO', '!L7STS 0 +PO'],
	[{ kind: 'smtp', command: '' }, 0, '220 mx ready\r\n', 'L7OK 220 mx ready'],
	[{ kind: 'smtp', command: '' }, 0, '220-mx\r\n220 ready\r\n', 'L7OK 220 ready'],
	[{ kind: 'smtp', command: '' }, 0, '554 go away\r\n', '!L7STS 554 go away'],
	[{ kind: 'smtp', command: '' }, 0, 'hello\r\n', '!L7RSP 0 hello'],
	[{ kind: 'pgsql', user: '' }, 0, 'R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'L7OK 0 PostgreSQL server is ok'],
	[{ kind: 'pgsql', user: '' }, 0, 'R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0', 'L7OK 0 PostgreSQL server is ok'],
	[{ kind: 'pgsql', user: '' }, 0, 'E\0\0\0\x50SFATAL\0C28000\0', '!L7RSP 0 FATAL'],
	[{ kind: 'pgsql', user: '' }, 0, 'HTTP/1.1 400 Bad', '!L7STS 0 PostgreSQL unknown error'],
	[{ kind: 'ldap' }, 0, '0\x0c\x02\x01\x01a\x07\x0a\x01\0\x04\0\x04\0', 'L7OK 0 Success'],
	[{ kind: 'ldap' }, 0, '0\x84\0\0\0\x10\x02\x01\x01a\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0', 'L7OK 0 Success'],
	[
		{ kind: 'ldap' },
		0,
		'0\x0c\x02\x01\x01a\x07\x0a\x01\x31\x04\0\x04\0',
		'!L7STS 49 See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9',
	],
	[{ kind: 'ldap' }, 0, 'HTTP/1.1 400', '!L7RSP 0 Not LDAPv3 protocol'],
	[{ kind: 'ssl-hello' }, 0, '\x16\x03\0\0\x05', 'L6OK 0 '],
	[{ kind: 'ssl-hello' }, 0, '\x15\x03\0\0\x02', 'L6OK 0 '],
	[{ kind: 'ssl-hello' }, 0, 'HTTP/1.1', '!L6RSP 0 '],
	[{ kind: 'mysql', user: undefined, post41: true }, 0, GREETING, 'L7OK 0 5.5.5-MariaDB'],
	[{ kind: 'mysql', user: 'x', post41: true }, 0, GREETING + packet('\0\0\0\x02\0\0\0'), 'L7OK 0 5.5.5-MariaDB'],
	[
		{ kind: 'mysql', user: 'x', post41: true },
		0,
		GREETING + packet("\xff\x15\x04#28000Access denied for user 'x'"),
		"!L7STS 1045 Access denied for user 'x'",
	],
	[
		{ kind: 'mysql', user: 'x', post41: false },
		0,
		packet("\xff\x6a\x04Host '10.0.0.1' is not allowed"),
		"!L7STS 1130 Host '10.0.0.1' is not allowed",
	],
	[{ kind: 'mysql', user: 'x', post41: true }, 0, GREETING, '!L7RSP 0 '],
];

function judge(check: ReadyMadeCheck, index: number, text: string, ended: boolean): string {
	const expects = readyMadeCheck(check).actions.filter((action): action is ExpectAction => action.kind === 'expect');
	const received: Received = { text, ended, head: undefined, body: '' };
	const judgement = expects[index]?.judge(received, view);
	if (judgement === undefined || judgement === 'wait') return 'wait';
	return `${judgement.passed ? '' : '!'}${judgement.status} ${judgement.code} ${judgement.info}`;
}

t.test('how answers are read', async (t) => {
	for (const [check, index, text, wanted] of ANSWERS) {
		const name = `${check.kind} ${JSON.stringify(text.slice(0, 40))}`;
		t.equal(judge(check, index, text, true), wanted, name);
		// Byte by byte, an answer that is not whole is waited for, or judged as the whole one.
		for (let length = 1; length < text.length; length++) {
			const early = judge(check, index, text.slice(0, length), false);
			if (early !== 'wait') t.equal(early, wanted, `${name} after ${length} bytes`);
		}
	}
});
