import t from 'tap';
import {
	leadingData,
	parseInfo,
	parseKeys,
	parsePeers,
	parseStat,
	parseSums,
	parseTables,
	splitAnswers,
} from '../../../lib/runtime-api/top/snapshot.js';
import { TopSource } from '../../../lib/runtime-api/top/source.js';

const RATE = { name: 'http_req_rate', periodMs: 10_000, isOrdered: true };

t.test('answers of one line of commands', (t) => {
	t.strictSame(splitAnswers('a\nb\n\n[]\n\nlast\n\n'), ['a\nb', '[]', 'last']);
	t.strictSame(splitAnswers('one\n\n\n'), ['one']);
	t.end();
});

t.test('show info', (t) => {
	const info = parseInfo('Name: Holdfast\nBuild info: 1: 2\nodd line\n');
	t.equal(info.get('Name'), 'Holdfast');
	t.equal(info.get('Build info'), '1: 2');
	t.equal(info.size, 2);
	t.end();
});

t.test('show stat', (t) => {
	const rows = parseStat('# pxname,svname,last_chk,-,\nb,one,"say ""no"", please",-,\nb,two,plain,-,\n');
	t.equal(rows?.[0]?.get('last_chk'), 'say "no", please');
	t.equal(rows?.[1]?.get('svname'), 'two');
	t.equal(parseStat('Permission denied\n'), undefined);
	t.end();
});

t.test('tables, and what leads in them', (t) => {
	const tables = parseTables(
		JSON.stringify([
			{
				table: 'x',
				type: 'ip',
				size: 10,
				used: 3,
				evicted: 1,
				refused: 0,
				data: [{ name: 'gpc0', isOrdered: true }, RATE],
			},
			'nonsense',
			{ table: 'y', data: [{ name: 'server_id', isOrdered: false }] },
		]),
	);
	t.equal(tables?.length, 2);
	t.equal(tables && leadingData(tables[0]!)?.name, 'http_req_rate', 'a rate leads');
	t.equal(tables && leadingData(tables[1]!), undefined, 'the number of a server is no measure');
	t.equal(parseTables('No such table'), undefined);
	t.equal(parseTables('{"a":1}'), undefined);
	t.end();
});

t.test('keys', (t) => {
	const answer = JSON.stringify({
		entries: [
			{ key: '10.0.0.1', data: { gpc0: 2, conn_cur: 0, http_req_rate: { value: 30, periodMs: 10_000 } } },
			{ key: 7, data: { http_req_rate: { value: 0 } } },
		],
	});
	t.strictSame(parseKeys(answer, RATE, 5), {
		atMs: 5,
		leading: RATE,
		keys: [{ key: '10.0.0.1', value: 30, others: [['gpc0', '2']] }],
	});
	const element = { name: 'gpc_rate[1]', periodMs: 1000, isOrdered: true };
	const array = '{"entries":[{"key":"a","data":{"gpc0_rate":{"value":1},"gpc1_rate":{"value":8}}}]}';
	t.match(parseKeys(array, element, 0)?.keys, [{ key: 'a', value: 8, others: [['gpc0_rate', '1']] }]);
	t.equal(parseKeys('Data type not stored in this table', RATE, 0), undefined);
	t.end();
});

t.test('peers and sums: whatever has another form is left out', (t) => {
	t.strictSame(parsePeers('[{"name":"m","peers":[{"name":"a","isLocal":true},3]},null]'), [
		{
			section: 'm',
			name: 'a',
			isLocal: true,
			isConnected: false,
			status: '',
			pendingUpdates: 0,
			lagMs: 0,
			updatesSent: 0,
			updatesReceived: 0,
			trouble: undefined,
		},
	]);
	t.equal(parsePeers('null'), undefined);
	t.match(parseSums('[{"name":"g","tables":[{"name":"t","sumName":"s","sumEntries":4,"origins":[{"name":"b"}]}]}]'), [
		{ aggregation: 'g', table: 't', sumTable: 's', ownEntries: undefined, sumEntries: 4, origins: [{ name: 'b' }] },
	]);
	t.end();
});

t.test('a table that takes long to walk is asked for less often', async (t) => {
	let nowMs = 0;
	const asked: string[] = [];
	const source = new TopSource(
		async (line) => {
			asked.push(line);
			if (!line.startsWith('show table ')) {
				const table = (name: string, used: number) => ({ table: name, used, data: [RATE] });
				return `Name: x\n\n# pxname,\n\n${JSON.stringify([table('fast', 1), table('slow one', 9), table('empty', 0)])}\n\n[]\n\n[]\n\n`;
			}
			nowMs += line.includes('slow') ? 500 : 1;
			return `{"entries":[{"key":"k","data":{"http_req_rate":{"value":${nowMs}}}}]}\n\n`;
		},
		() => nowMs,
	);
	for (let second = 1; second <= 8; second++) {
		const look = await source.look();
		t.equal(look.keys.get('slow one')?.keys.length, 1, 'the last answer is shown on');
		nowMs += 1000;
	}
	t.equal(asked.filter((line) => line.includes('top')).filter((line) => line.includes('slow\\ one')).length, 2);
	t.equal(asked.filter((line) => line.startsWith('show table fast top 100 by http_req_rate json')).length, 8);
	t.equal(asked.filter((line) => line.includes('table empty')).length, 0, 'nothing to look for');
});

t.test('what a program does not know is shown as trouble', async (t) => {
	const source = new TopSource(
		async () => 'Name: HAProxy\n\n# pxname,svname,\n\nNo such table\n\nUnknown command\nhelp\n\nUnknown command\n\n',
		() => 0,
	);
	const look = await source.look();
	t.strictSame(look.troubles, ['No such table', 'Unknown command', 'Unknown command']);
	t.equal(look.info.get('Name'), 'HAProxy');
});
