/** What a peer may say of shares that makes no sense: bounded, logged once, and nothing of it in a sum. */
import t from 'tap';
import { TransmitDictionary } from '../../lib/peers/dictionary.js';
import { encodeHello, MessageWriter } from '../../lib/peers/encode.js';
import { columnsOf, EntryRecord } from '../../lib/peers/entry-record.js';
import { FEATURE, HOLDFAST_MESSAGE, STICK_TABLE_MESSAGE } from '../../lib/peers/protocol.js';
import { SummingCluster } from '../simulation/aggregate-cluster.js';
import { Chance } from '../simulation/virtual-time.js';

/** gpt0, conn_cur, http_req_cnt, http_req_rate, bytes_in_cnt: what the simulated nodes store. */
const COLUMNS = columnsOf([
	{ typeId: 1 },
	{ typeId: 6 },
	{ typeId: 9 },
	{ typeId: 10, periodMs: 10_000 },
	{ typeId: 13 },
]);

/** Calls node `a` under the name of `b`, which is not there, and says what `speak` writes. */
function callAsB(cluster: SummingCluster, speak: (writer: MessageWriter) => void): { closed: () => boolean } {
	let isClosed = false;
	const connection = cluster.network.for('b').dial(
		{ ...cluster.peers[0]!, isLocal: false },
		{
			opened: () => {
				const writer = new MessageWriter(8 * 1024 * 1024);
				connection.write(encodeHello('a', 'b', 1));
				writer.features(FEATURE.CONFLICTS_BY_NAME | FEATURE.SHARES);
				writer.share(HOLDFAST_MESSAGE.SHARES_REQUEST);
				speak(writer);
				connection.write(writer.take());
			},
			received: () => {},
			drained: () => {},
			closed: () => {
				isClosed = true;
			},
		},
	);
	cluster.run(2000);
	return { closed: () => isClosed };
}

const define = (writer: MessageWriter, id: number, wireName: string, columns = COLUMNS): void =>
	writer.definition(id, { wireName, keyType: 'string', keyLengthBytes: 16, columns, expireMs: undefined });

function update(writer: MessageWriter, key: string, count: number): void {
	const record = new EntryRecord(COLUMNS);
	record.updateId = 1;
	Buffer.from(key).copy(record.reserveKey(key.length));
	record.words[2] = count;
	writer.update(STICK_TABLE_MESSAGE.UPDATE, 'string', COLUMNS, record, new TransmitDictionary());
}

function startedAlone(seed: number): SummingCluster {
	const cluster = new SummingCluster(['a', 'b', 'c'], seed);
	cluster.run(6000);
	cluster.crash('b');
	cluster.node('a').request('k');
	cluster.run(1000);
	return cluster;
}

t.test('origins that are none, tables that are not summed, other data', async (t) => {
	const cluster = startedAlone(1);
	const a = cluster.node('a');
	callAsB(cluster, (writer) => {
		for (const [index, name] of [
			'/req.local@nobody#1',
			'/other.local@b#1',
			'/req.sum@b#1',
			'/req.local',
			'/req.local@b#',
			'/req.local@b#1@c#2',
			'/req.local@@b#1',
		].entries()) {
			define(writer, index + 1, name);
			update(writer, 'k', 1000);
		}
		define(writer, 90, '/req.local@c#5', columnsOf([{ typeId: 9 }]));
	});
	t.equal(a.value(a.sum, 'k', 'http_req_cnt'), 1);
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 1);
	t.ok(a.log.some((line) => line.includes("a node 'nobody' that this section does not have")));
	t.ok(a.log.some((line) => line.includes('stores other data')));
	cluster.stop();
});

t.test('ten thousand lives of one node, and starts far in the future', async (t) => {
	const cluster = startedAlone(2);
	const a = cluster.node('a');
	const { life } = a.aggregation;
	callAsB(cluster, (writer) => {
		for (let i = 1; i <= 10_000; i++) define(writer, 1, `/req.local@c#${i}`);
		define(writer, 1, '/req.local@a#999999999999999');
		update(writer, 'k', 1000);
		writer.share(HOLDFAST_MESSAGE.SHARES_TOLD);
		writer.share(HOLDFAST_MESSAGE.OWN_SHARE_TOLD);
	});
	const origin = a.aggregation.summed.get('/req.local')!.origins.get('c')!;
	t.ok(origin.lives.length <= 8, `${origin.lives.length} lives are kept`);
	t.equal(a.aggregation.life, life, 'our own is not moved to the end of time');
	t.equal(a.value(a.own, 'k', 'http_req_cnt'), 1);
	t.ok(
		a.section.peers.every(({ tables }) => tables.length < 30),
		'and their tables are gone',
	);
	t.ok(a.log.length < 20, `${a.log.length} lines of log`);
	cluster.stop();
});

t.test('noise after a good beginning', async (t) => {
	for (let seed = 1; seed <= 60; seed++) {
		const chance = new Chance(seed);
		const cluster = startedAlone(seed);
		callAsB(cluster, (writer) => {
			define(writer, 1, '/req.local@b#77');
			update(writer, 'k', 3);
			for (let i = 0; i < 30; i++) {
				const message = Buffer.alloc(chance.between(2, 60), undefined);
				for (let at = 0; at < message.length; at++) message[at] = chance.index(256);
				message[0] = chance.pick([0, 1, 10, 10, 10, 72, 255]);
				writer.bytes(message);
			}
		});
		cluster.start('b');
		cluster.run(15_000);
		const a = cluster.node('a');
		for (const table of [a.own, a.sum.remote()]) {
			if (table.verify() !== undefined) t.fail(`seed ${seed}: ${table.verify()}`);
		}
		a.request('k');
		cluster.run(1000);
		const c = cluster.node('c');
		if (c.shareOf('a', 'k', 'http_req_cnt') !== 2) t.fail(`seed ${seed}: the mesh does not work any more`);
		cluster.stop();
	}
	t.pass('sixty seeds');
});
