/**
 * The statistics of both programs after the same traffic: the columns of CSV and JSON, what the page's forms answer, the
 * names, types and labels of Prometheus. Times, process figures and byte counts are their own affair.
 */
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { parseTextFormat } from '../stats/text-format.js';

const CONFIG = `
global
  nbthread 2
  maxconn 500
  stats socket \${dir}/admin.sock level admin
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 1s
frontend st
  bind 127.0.0.1:\${port1}
  maxconn 400
  log stdout format raw local0
  option httplog
  http-request use-service prometheus-exporter if { path /metrics }
  http-request deny if { path /denied }
  stats enable
  stats uri /stats
  stats refresh 10s
  stats show-legends
  stats admin if { src 127.0.0.1 }
  default_backend b1
listen l1
  bind 127.0.0.1:\${port2} name "a,b"
  bind 127.0.0.1:\${port3} maxconn 7
  option socket-stats
  stick-table type ip size 1k expire 30s store http_req_rate(10s)
  http-request track-sc0 src
  http-request return status 200 content-type text/plain string hello
  server a 127.0.0.1:\${port4} maxconn 10 maxqueue 5 pool-max-conn 7
  server b 127.0.0.1:\${port4} weight 5 backup
  server c 127.0.0.1:\${port4} disabled
backend b1
  cookie C insert
  balance leastconn
  server s1 127.0.0.1:\${port2} cookie s1c
frontend auth1
  bind 127.0.0.1:\${port5}
  stats auth u:p
  stats uri /stats
  stats realm Some\\ "Realm"
  stats scope .
  stats hide-version
frontend rules1
  bind 127.0.0.1:\${port6}
  stats uri /s
  stats http-request deny if { hdr(x-no) -m found }
  stats http-request auth realm R if { hdr(x-auth) -m found }
backend empty
`;

const skip = skipUnlessHaproxy('2.6');

async function both(t: { teardown(callback: () => Promise<void>): void }): Promise<{ ours: Program; theirs: Program }> {
	const ours = await startProgram(t, { program: 'holdfast', config: CONFIG, ports: 6 });
	const theirs = await startProgram(t, { program: 'haproxy', config: CONFIG, ports: 6 });
	for (const program of [ours, theirs]) {
		for (const path of ['/', '/', '/denied']) await request(program.port(1), path);
		await request(program.port(3), '/');
	}
	return { ours, theirs };
}

/** Rows by name, each a map of its fields. */
function readCsv(text: string): { header: string[]; rows: Map<string, Map<string, string>> } {
	const [head = '', ...lines] = text.trimEnd().split('\n');
	const header = head.replace(/^# /, '').split(',');
	const rows = new Map<string, Map<string, string>>();
	for (const line of lines) {
		const fields = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((match) => match[1] ?? '');
		const row = new Map(header.map((name, index) => [name, fields[index] ?? '']));
		rows.set(`${row.get('pxname')}/${row.get('svname')}`, row);
	}
	return { header, rows };
}

/** Columns that are about time, bytes as each program counts them, or what has happened since. */
const OWN = new Set([
	...[
		'bin',
		'bout',
		'lastchg',
		'lastsess',
		'rate',
		'rate_max',
		'req_rate',
		'req_rate_max',
		'conn_rate',
		'conn_rate_max',
	],
	...['qtime', 'ctime', 'rtime', 'ttime', 'qtime_max', 'ctime_max', 'rtime_max', 'ttime_max', 'addr', 'smax'],
	// Connections that HAProxy expects to need, and how it sorts idle ones; fullconn counts 10% of another sum.
	...['need_conn_est', 'idle_conn_cur', 'safe_conn_cur', 'used_conn_cur', 'srv_icur'],
]);

t.test('CSV and JSON', { skip }, async (t) => {
	const { ours, theirs } = await both(t);
	const [own, reference] = await Promise.all(
		[ours, theirs].map(async (program) => readCsv((await request(program.port(1), '/stats;csv')).body)),
	);
	if (own === undefined || reference === undefined) throw new Error('no answer');
	const staticColumns = reference.header.slice(0, reference.header.indexOf('-') + 1);
	t.same(own.header.slice(0, staticColumns.length), staticColumns, 'the static columns, in their order, and their end');
	t.same([...own.rows.keys()], [...reference.rows.keys()], 'the same rows in the same order');
	for (const [name, row] of reference.rows) {
		for (const column of staticColumns) {
			const [mine, wanted] = [own.rows.get(name)?.get(column), row.get(column)];
			// The answer that is being read counts itself already, or not yet.
			if (column === 'hrsp_2xx' && name === 'st/FRONTEND') continue;
			// Idle connections from b1: how many of them each program keeps.
			if (column === 'scur' && (name === 'l1/FRONTEND' || name.startsWith('l1/"'))) continue;
			if (OWN.has(column)) t.equal(mine === '', wanted === '', `${name} ${column}: empty or not`);
			else t.equal(mine, wanted, `${name} ${column}`);
		}
	}

	const [json, wanted] = await Promise.all(
		[ours, theirs].map(async (program) => JSON.parse((await request(program.port(1), '/stats;json')).body)),
	);
	type Field = { objType: string; proxyId: number; id: number; field: { pos: number; name: string }; value: object };
	const shape = (rows: Field[][]) =>
		rows.map((fields) =>
			fields
				.filter(({ field }) => staticColumns.includes(field.name))
				.map((field) => ({ ...field, value: (field.value as { type: string }).type })),
		);
	t.same(shape(json), shape(wanted), 'the fields of JSON, their tags and types');
});

t.test('headers, access and forms', { skip }, async (t) => {
	const { ours, theirs } = await both(t);
	const ask = async (program: Program, port: number, path: string, options = {}) => {
		const { status, headers, body } = await request(program.port(port), path, options);
		const { location, refresh } = headers;
		const type = headers['content-type']?.split(';')[0];
		return { status, location, refresh, type, challenge: headers['www-authenticate'], isEmpty: body === '' };
	};
	const same = async (port: number, path: string, options: Parameters<typeof request>[2] = {}, what = '') => {
		const [mine, wanted] = await Promise.all([ours, theirs].map((program) => ask(program, port, path, options)));
		// The page has its refresh in itself, for who has no script; see stats/page.ts.
		if (wanted?.type === 'text/html' && mine !== undefined && wanted.status === 200) mine.refresh = wanted.refresh;
		t.same(mine, wanted, `${options.method ?? 'GET'} ${path} ${(options.body ?? '').slice(0, 40)} ${what}`);
	};
	for (const path of [
		'/stats',
		'/stats;csv',
		'/stats;json',
		'/stats;typed',
		'/stats;norefresh',
		'/statsfoo',
		'/stats?x',
	]) {
		await same(1, path);
		await same(1, path, { method: 'HEAD' });
	}
	await same(1, '/stats;csv;norefresh');
	await same(1, '/metrics?scope=nothing');
	const authorization = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
	await same(5, '/stats');
	await same(5, '/stats', { headers: authorization('u:wrong') }, 'wrong password');
	await same(5, '/stats', { headers: authorization('u:p') }, 'password');
	await same(6, '/s');
	await same(6, '/s', { headers: { 'x-no': '1' } }, 'deny rule');
	await same(6, '/s', { headers: { 'x-auth': '1' } }, 'auth rule');
	await same(6, '/s', { method: 'POST', body: 's=a&action=ready&b=l1' }, 'no admin');
	for (const body of [
		's=b&action=drain&b=l1',
		's=b&action=ready&b=%23l1',
		's=b&action=ready&b=%233',
		's=b&s=nope&action=maint&b=l1',
		's=nope&action=ready&b=l1',
		's=b&action=foo&b=l1',
		's=b&action=ready&b=nope',
		's=b&action=dhlth&b=l1',
		's=b&action=dagent&b=l1',
		's=b&action=hdown&b=l1',
		's=b&action=hrunn&b=l1',
		's=a&action=shutdown&b=l1',
		's=a&action=disable&b=l1',
		's=a&action=enable&b=l1',
		's=a&action=enable&b=l1',
		's=a&action=stop&b=l1',
		's=a&action=start&b=l1',
		'action=ready&b=l1',
		's=b&b=l1',
		'xxx',
		`s=b&action=ready&b=l1&x=${'y'.repeat(17_000)}`,
	]) {
		await same(1, '/stats', { method: 'POST', body });
	}
	await same(1, '/stats;up;norefresh', { method: 'POST', body: 's=a&action=drain&b=l1' });
	await same(1, '/stats;scope=l1', { method: 'POST', body: 's=a&action=maint&b=l1' });
	const [mine, wanted] = await Promise.all(
		[ours, theirs].map(async (program) => readCsv((await request(program.port(1), '/stats;csv')).body)),
	);
	const states = (read: typeof mine) =>
		[...(read?.rows ?? [])].map(([name, row]) => [name, row.get('status'), row.get('weight'), row.get('act')]);
	t.same(states(mine), states(wanted), 'what the forms have done');
	for (const words of [';csv;up', ';csv;no-maint', ';csv;scope=l1', '?scope=b1;csv']) {
		const [own, reference] = await Promise.all(
			[ours, theirs].map(async (program) => readCsv((await request(program.port(1), `/stats${words}`)).body)),
		);
		t.same([...(own?.rows.keys() ?? [])], [...(reference?.rows.keys() ?? [])], words);
	}
	const lines = await waitFor('as many lines from both', () => {
		const both = [ours.logLines, theirs.logLines];
		const [own, reference] = both.map((program) => program.filter((line) => /<STATS>|<PROMEX>/.test(line)).length);
		return own === reference && (own ?? 0) > 40 && both;
	});
	const masked = lines.map((program) =>
		program
			.filter((line) => /<STATS>|<PROMEX>/.test(line))
			.map((line) =>
				line
					.replace(/^\S+ \[[^\]]+\]/, '')
					.replace(/ (\d+\/\d+\/\d+\/\d+)\/\d+ (\d+) \d+ /, ' $1 $2 ')
					.replace(/-- \d+\/\d+\//, '-- */*/'),
			),
	);
	// Two threads write them: their order is nobody's promise.
	t.same(masked[0]?.sort(), masked[1]?.sort(), 'log lines of services');
});

t.test('Prometheus: names, types, labels', { skip }, async (t) => {
	const { ours, theirs } = await both(t);
	for (const query of ['', '?scope=server&no-maint', '?scope=global&scope=sticktable', '?scope=*', '?scope=']) {
		const [own, reference] = await Promise.all(
			[ours, theirs].map(async (program) => {
				const { body } = await request(program.port(1), `/metrics${query}`);
				return body === '' ? new Map() : parseTextFormat(body);
			}),
		);
		if (own === undefined || reference === undefined) throw new Error('no answer');
		const names = [...own.keys()].filter((name) => !name.startsWith('holdfast_'));
		t.same(names, [...reference.keys()], `${query}: the same metrics in the same order`);
		for (const [name, { type, samples }] of reference) {
			const mine = own.get(name);
			t.equal(mine?.type, type, `${name} is a ${type}`);
			const labels = (list: typeof samples) =>
				list.map(({ labels: one }: { labels: Map<string, string> }) =>
					[...one].map(([label, value]) => (label === 'version' ? label : `${label}=${value}`)).join(','),
				);
			t.same(labels(mine?.samples ?? []), labels(samples), `${name}: labels`);
		}
	}
});
