/**
 * What scripted peers sent to HAProxy is sent to a section: it answers with the same statuses, errors, confirmations
 * and acknowledgements, and stores the same entries.
 */
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import type { MemoryTableOptions } from './memory-table.js';
import { recordedMessages, slowDefinition } from './recorded.js';
import { ScriptedCluster, type ScriptedConnection } from './scripted.js';

/** The tables of the recorded process, in `vectors/15-malformed-and-unknown`. */
const TABLES: readonly Omit<MemoryTableOptions, 'clock' | 'defer'>[] = [
	{
		name: 'mypeers/t1',
		wireName: '/t1',
		keyType: 'ip',
		keyLengthBytes: 4,
		expireMs: 600_000,
		columns: [{ typeId: 2 }, { typeId: 6 }, { typeId: 10, periodMs: 10_000 }, { typeId: 19 }],
	},
	{
		name: 'mypeers/t2',
		wireName: '/t2',
		keyType: 'string',
		keyLengthBytes: 8,
		expireMs: 600_000,
		columns: [{ typeId: 2 }],
	},
	{ name: 'mypeers/t3', wireName: '/t3', keyType: 'integer', keyLengthBytes: 4, columns: [{ typeId: 2 }] },
	{
		name: 'mypeers/t4',
		wireName: '/t4',
		keyType: 'binary',
		keyLengthBytes: 4,
		expireMs: 60_000,
		columns: [{ typeId: 23, count: 3 }],
	},
];

interface Case {
	readonly title: string;
	readonly conn: number;
	readonly sent: Buffer[];
	/** What HAProxy answered, definitions and lessons left out: those depend on its own tables. */
	readonly answered: string[];
}

function cases(name: string): Case[] {
	const byConnection = new Map<number, Case>();
	for (const { conn, dir, hex, text, fields } of recordedMessages(name)) {
		let entry = byConnection.get(conn);
		if (entry === undefined) {
			entry = { title: `connection ${conn}`, conn, sent: [], answered: [] };
			byConnection.set(conn, entry);
		}
		if (dir.endsWith('>A')) entry.sent.push(Buffer.from(hex, 'hex'));
		else if (fields?.msg === 'status') entry.answered.push(String(fields.code));
		else if (/^(ack|error_|resync_confirm)/.test(fields?.msg ?? '')) entry.answered.push(hex);
		else if (fields?.msg !== 'define' && fields?.msg !== 'heartbeat') t.comment(`not compared: ${text}`);
	}
	return [...byConnection.values()];
}

function answers(connection: ScriptedConnection): string[] {
	return connection
		.messages()
		.filter((message) => /^\d{3}$|^01|^0003|^0a84/.test(message))
		.map((message) =>
			message.replace(
				/^(0a84) (.*)$/,
				(_all, header, body: string) => `${header}${(body.length / 2).toString(16).padStart(2, '0')}${body}`,
			),
		);
}

/** Each connection of the recording, on one section that is up to date. */
function replay(
	name: string,
	check: (entry: Case, actual: string[], connection: ScriptedConnection) => void,
): ScriptedCluster {
	const cluster = new ScriptedCluster({ tableOptions: TABLES });
	cluster.run(6000);
	for (const entry of cases(name)) {
		const connection = cluster.caller();
		for (const bytes of entry.sent) {
			connection.send(bytes);
			cluster.run(40);
		}
		cluster.run(400);
		check(entry, answers(connection), connection);
		connection.events?.closed('closed by the other side');
		// A peer that sent rubbish twice is told to come back later; here each connection stands for itself.
		cluster.peer().rubbishInARow = 0;
	}
	return cluster;
}

t.test('malformed and unknown messages', async (t) => {
	// HAProxy 2.6 acknowledges incremental updates rightly; 3.5 swaps the bytes of the id.
	const cluster = replay('15-malformed-and-unknown-v26', (entry, actual, connection) => {
		t.strictSame(actual, entry.answered, `${entry.title}: ${entry.sent.at(-1)?.toString('hex')}`);
		const isError = entry.answered.some((answer) => answer.startsWith('01'));
		t.equal(connection.closedBy !== undefined, isError, 'closed after an error, and only then');
	});
	const values = (table: number, key: string): Record<string, unknown> | undefined =>
		cluster.tables[table]!.values(key);
	const ip = (text: string): string => Buffer.from(IpAddress.parse(text)!.toBytes()).toString('latin1');
	t.match(values(0, ip('1.1.1.1')), { gpc0: 5 });
	for (const absent of ['1.1.1.3', '1.1.1.4', '1.1.1.7', '1.1.1.8', '1.1.2.3', '1.1.5.2']) {
		t.equal(values(0, ip(absent)), undefined, `no entry for ${absent}`);
	}
	t.match(values(0, ip('1.1.1.5')), { gpc0: 55 }, 'a definition of version 2.0');
	t.match(values(0, ip('1.1.1.9')), { gpc0: 66 }, 'another period');
	t.match(values(0, ip('1.1.1.12')), { gpc0: 9 }, 'types that are not stored here');
	t.match(values(0, ip('1.1.1.13')), { gpc0: 9, conn_cur: 0 }, 'conn_cur is never learned');
	t.equal(values(3, 'abcd'), undefined, 'an array without its size');
	t.equal(values(1, 'xyz'), undefined, 'another key size');
	t.match(values(1, 'abcdefgh'), { gpc0: 9 }, 'a longer key is cut');
	t.match(values(2, '\x01\x02\x03\x04'), { gpc0: 9 });
	t.match(values(0, ip('1.1.7.2')), { server_key: 'srv1' });
	t.match(values(0, ip('1.1.7.6')), { server_key: 'srvX' });
	t.equal(values(0, ip('1.1.4.1')), undefined, 'half an entry is none (HAProxy keeps it)');
});

t.test('arrays of other sizes', async (t) => {
	const cluster = new ScriptedCluster({ tableOptions: TABLES });
	cluster.run(6000);
	const connection = cluster.session();
	const body = (count: number): number[] =>
		slowDefinition({
			id: 3n,
			name: '/t4',
			keyType: 7,
			keySize: 4,
			columns: [{ id: 23, count, period: 0 }],
			expire: 60_000n,
		});
	connection.send(body(2), [10, 0x80, 10, 0, 0, 0, 1, 0x61, 0x62, 0x63, 0x65, 9, 77]);
	connection.send(body(5), [10, 0x80, 13, 0, 0, 0, 2, 0x61, 0x62, 0x63, 0x66, 1, 2, 3, 4, 5]);
	t.strictSame(cluster.tables[3]!.values('abce'), { gpc: [9, 77, 0] });
	t.strictSame(cluster.tables[3]!.values('abcf'), { gpc: [1, 2, 3] });
});

for (const version of ['v26', 'v35']) {
	t.test(`the handshake, as HAProxy ${version} answers it`, async (t) => {
		let compared = 0;
		replay(`09-handshake-errors-${version}`, (entry, actual) => {
			const statuses = actual.filter((answer) => answer.length === 3);
			const expected = entry.answered.filter((answer) => answer.length === 3);
			// Two connections under one name depend on each other: section.test.ts has those.
			if (expected[0] === '300' || /^A /m.test(entry.sent.at(-1)?.toString('latin1') ?? '')) return;
			compared++;
			t.strictSame(
				statuses,
				expected,
				`${entry.title}: ${JSON.stringify(Buffer.concat(entry.sent).toString('latin1'))}`,
			);
		});
		t.ok(compared >= 14, `${compared} hellos compared`);
	});
}
