/**
 * Holdfast and the real HAProxy in one peers section: what one has in its tables the other shows too, in both
 * directions, through restarts, with a third node, and without a protocol error on either side.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type RunningHaproxy, skipUnlessHaproxy, startHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { waitFor } from '../fixtures/wait-for.js';
import { HoldfastNode, haproxyDump, haproxyProtocolErrors } from './peers-node.js';

// Most of the time goes by in HAProxy's own timers.
t.jobs = 4;

const SCALARS = [
	'server_id,gpt0,gpc0,gpc0_rate(1h),conn_cnt,conn_rate(1h),conn_cur,sess_cnt,sess_rate(1h)',
	'http_req_cnt,http_req_rate(1h),http_err_cnt,http_err_rate(1h),bytes_in_cnt,bytes_in_rate(1h)',
	'bytes_out_cnt,bytes_out_rate(1h),gpc1,gpc1_rate(1h),server_key,http_fail_cnt,http_fail_rate(1h)',
].join(',');

const TABLES = `
  table t_ip type ip size 10k expire 10m store ${SCALARS}
  table t_ipv6 type ipv6 size 10k expire 10m store gpc0,http_req_rate(1h)
  table t_int type integer size 10k expire 10m store gpc0
  table t_str type string len 20 size 10k expire 10m store gpc0,gpt0
  table t_bin type binary len 8 size 10k expire 10m store gpc0
  table t_arr type ip size 10k expire 10m store gpt(3),gpc(5),gpc_rate(5,1h)
  table t_forever type string size 10k store gpc0
`;
const LOCAL_NAMES = ['t_ip', 't_ipv6', 't_int', 't_str', 't_arr', 't_forever'].map((name) => `mypeers/${name}`);

interface Place {
	readonly name: string;
	readonly port: number;
}

async function places(...names: string[]): Promise<Place[]> {
	const ports = await freePorts(names.length);
	return names.map((name, index) => ({ name, port: ports[index]! }));
}

function section(nodes: readonly Place[], tables = TABLES): string {
	return `peers mypeers\n${nodes.map(({ name, port }) => `  peer ${name} 127.0.0.1:${port}\n`).join('')}${tables}\n`;
}

const haproxyText = (name: string, body: string): string =>
	`  localpeer ${name}\n${body}\nlisten dummy\n  mode http\n  bind unix@/tmp/.never-${process.pid}.sock\n`;

function startPeer(name: string, nodes: readonly Place[], tables = TABLES): Promise<RunningHaproxy> {
	return startHaproxy((dir) =>
		haproxyText(name, section(nodes, tables)).replace(/unix@[^\n]*/, `unix@${dir}/dummy.sock`),
	);
}

/** Waits until all nodes show the same entries and values in all tables; rates may be read a moment apart. */
async function sameTables(
	t: Test,
	what: string,
	haproxy: RunningHaproxy,
	nodes: readonly HoldfastNode[],
	names: readonly string[] = LOCAL_NAMES,
): Promise<void> {
	let seen: unknown[] = [];
	await waitFor(
		`the same tables ${what}`,
		async () => {
			seen = [];
			for (const name of names) {
				const theirs = comparable(await haproxyDump(haproxy, name));
				for (const node of nodes) {
					const ours = comparable(node.dump(name));
					const [onlyOurs, onlyTheirs] = [without(ours, theirs), without(theirs, ours)];
					if (onlyOurs.length + onlyTheirs.length > 0) seen.push({ name, node: node.name, onlyOurs, onlyTheirs });
				}
			}
			return seen.length === 0;
		},
		30_000,
	).catch(() => t.strictSame(seen, [], `the same tables ${what}`));
	if (seen.length === 0) t.pass(`the same tables ${what}`);
}

type Comparable = [key: string, values: Record<string, string>][];

/** Entries and values of `a` that are not in `b`. */
function without(a: Comparable, b: Comparable): string[] {
	const items = (all: Comparable): string[] =>
		all.flatMap(([key, values]) => Object.entries(values).map(([name, value]) => `${key} ${name}=${value}`));
	const known = new Set(items(b));
	return items(a).filter((item) => !known.has(item));
}

function comparable(dump: Map<string, Record<string, string>>): Comparable {
	return [...dump]
		.map(([key, values]): Comparable[number] => {
			const { exp: _exp, conn_cur: _own, ...rest } = values;
			return [key, Object.fromEntries(Object.entries(rest).sort())];
		})
		.sort(([a], [b]) => (a < b ? -1 : 1));
}

async function noProtocolErrors(t: Test, haproxy: RunningHaproxy, ...nodes: HoldfastNode[]): Promise<void> {
	t.equal(await haproxyProtocolErrors(haproxy), 0, 'proto_err of HAProxy');
	for (const node of nodes) t.equal(node.protocolErrors(), 0, `protocol errors of ${node.name}`);
}

async function setAll(haproxy: RunningHaproxy, prefix: string): Promise<void> {
	const commands = [
		`set table mypeers/t_ip key 10.${prefix}.0.1 data.gpc0 3 data.gpt0 4294967295 data.server_id -5 data.bytes_in_cnt 12345678901234567 data.http_req_rate 40 data.conn_cnt 7 data.http_fail_cnt 1 data.gpc1 2 data.sess_cnt 300`,
		`set table mypeers/t_ip key 10.${prefix}.0.2 data.bytes_out_cnt 5000000000 data.gpc0_rate 9 data.http_err_cnt 4294967295`,
		`set table mypeers/t_ipv6 key 2001:db8::${prefix} data.gpc0 11 data.http_req_rate 5`,
		`set table mypeers/t_ipv6 key ::ffff:10.0.0.${prefix} data.gpc0 12`,
		`set table mypeers/t_int key ${4294967290 + Number(prefix)} data.gpc0 240`,
		`set table mypeers/t_str key user${prefix} data.gpc0 1 data.gpt0 99`,
		`set table mypeers/t_str key exactlytwentychars_${prefix} data.gpc0 2288`,
		`set table mypeers/t_arr key 10.${prefix}.0.9 data.gpc0 1`,
		`set table mypeers/t_forever key stays${prefix} data.gpc0 5`,
	];
	for (const command of commands) await haproxy.cli(command);
}

function setAllHere(node: HoldfastNode, prefix: string): void {
	node.set('mypeers/t_ip', `10.${prefix}.0.1`, {
		gpc0: 3,
		gpt0: 4294967295,
		server_id: -5,
		bytes_in_cnt: 18446744073709551615n,
		http_req_rate: 40,
		conn_cnt: 7,
		http_fail_cnt: 1,
		gpc1: 2,
		sess_cnt: 300,
	});
	node.set('mypeers/t_ip', `10.${prefix}.0.2`, { bytes_out_cnt: 5000000000, gpc0_rate: 9, server_key: '10.9.9.9:80' });
	node.set('mypeers/t_ip', `10.${prefix}.0.3`, { server_key: '10.9.9.9:80', server_id: 2 });
	node.set('mypeers/t_ipv6', `2001:db8::${prefix}`, { gpc0: 11, http_req_rate: 5 });
	node.set('mypeers/t_int', `${4294967280 + Number(prefix)}`, { gpc0: 240 });
	node.set('mypeers/t_str', `user ${prefix}`, { gpc0: 1, gpt0: 99 });
	node.set('mypeers/t_str', `cut at twenty chars, ${prefix}`, { gpc0: 2288 });
	node.set('mypeers/t_bin', `b\0${prefix}`, { gpc0: 8 });
	node.set('mypeers/t_arr', `10.${prefix}.0.9`, { 'gpt[1]': 300, 'gpc[4]': 77, 'gpc_rate[2]': 6, 'gpc[0]': 264432 });
	node.set('mypeers/t_forever', `stays${prefix}`, { gpc0: 5 });
}

t.test(
	'two nodes, all key and data types, restarts of either',
	{ skip: skipUnlessHaproxy('2.6'), buffered: true },
	async (t) => {
		const nodes = await places('H', 'F');
		let haproxy = await startPeer('H', nodes);
		let holdfast = await new HoldfastNode('F', section(nodes)).start();
		t.teardown(async () => {
			holdfast.close();
			await haproxy.stop();
		});
		await waitFor('a session', () => holdfast.peer('H').session !== undefined);

		await setAll(haproxy, '1');
		await sameTables(t, 'after changes in HAProxy', haproxy, [holdfast]);
		setAllHere(holdfast, '2');
		await sameTables(t, 'after changes in Holdfast', haproxy, [holdfast]);
		await waitFor('the binary key', async () =>
			(await haproxy.cli('show table mypeers/t_bin')).includes('key=6200320000000000'),
		);
		t.match(await haproxy.cli('show table mypeers/t_ip key 10.2.0.2'), 'server_key=10.9.9.9:80');
		t.match(await haproxy.cli('show table mypeers/t_ip key 10.2.0.1'), 'bytes_in_cnt=18446744073709551615');

		// The same entries changed again, by the other side.
		await haproxy.cli('set table mypeers/t_ip key 10.2.0.1 data.gpc0 1000');
		await waitFor('the change of our entry', () => holdfast.dump('mypeers/t_ip').get('10.2.0.1')?.gpc0 === '1000');
		holdfast.set('mypeers/t_ip', '10.1.0.1', { gpc0: 2000 });
		await sameTables(t, 'after changes of entries of the other side', haproxy, [holdfast]);
		const lives = [await haproxyDump(haproxy, 'mypeers/t_ip'), holdfast.dump('mypeers/t_ip')];
		for (const [key, values] of lives[1]!) {
			// Of ten minutes; what a busy machine takes to pass an update on is not counted.
			t.ok(Math.abs(Number(values.exp) - Number(lives[0]!.get(key)?.exp)) < 10_000, `${key} lives as long on both`);
		}
		await noProtocolErrors(t, haproxy, holdfast);

		// HAProxy starts again, empty, and is taught everything.
		const before = comparable(holdfast.dump('mypeers/t_ip'));
		await haproxy.stop();
		haproxy = await startPeer('H', nodes);
		await sameTables(t, 'after a restart of HAProxy', haproxy, [holdfast]);
		t.strictSame(comparable(holdfast.dump('mypeers/t_ip')), before, 'nothing was lost');
		await noProtocolErrors(t, haproxy, holdfast);

		// Holdfast starts again, empty.
		holdfast.close();
		holdfast = await new HoldfastNode('F', section(nodes)).start();
		await sameTables(t, 'after a restart of Holdfast', haproxy, [holdfast]);
		t.strictSame(comparable(holdfast.dump('mypeers/t_ip')), before, 'nothing was lost');
		setAllHere(holdfast, '3');
		await setAll(haproxy, '4');
		await sameTables(t, 'after changes following it', haproxy, [holdfast]);
		await noProtocolErrors(t, haproxy, holdfast);
	},
);

t.test(
	'a session lost and found: only what was missed',
	{ skip: skipUnlessHaproxy('2.6'), buffered: true },
	async (t) => {
		const nodes = await places('H', 'F');
		const haproxy = await startPeer('H', nodes);
		let holdfast = await new HoldfastNode('F', section(nodes)).start();
		t.teardown(async () => {
			holdfast.close();
			await haproxy.stop();
		});
		await waitFor('a session', () => holdfast.peer('H').session !== undefined);
		for (let i = 0; i < 50; i++) holdfast.set('mypeers/t_int', String(i), { gpc0: i });
		await sameTables(t, 'before', haproxy, [holdfast]);
		await waitFor('acknowledgements', () => holdfast.peer('H').pendingUpdates() === 0);

		await waitFor('the end of its own start', () => holdfast.peers.section.isUpToDate());
		// A reload of ours: another section on the same tables.
		holdfast.close();
		const heir = new HoldfastNode('F', section(nodes), false, holdfast);
		heir.set('mypeers/t_int', '7', { gpc0: 1000 });
		heir.set('mypeers/t_int', '100', { gpc0: 1 });
		holdfast = await heir.start();
		t.ok(holdfast.peers.section.isUpToDate(), 'it need not learn what it has');
		await sameTables(t, 'after the reload', haproxy, [holdfast]);
		await waitFor('acknowledgements', () => holdfast.peer('H').pendingUpdates() === 0).catch(() =>
			t.fail('acknowledgements', {
				tables: holdfast
					.peer('H')
					.tables.map(({ table, acknowledgedId, pushedId, hasAcknowledged, acknowledgedNonsense }) => [
						table.name,
						table.localUpdateId(),
						acknowledgedId,
						pushedId,
						hasAcknowledged,
						acknowledgedNonsense,
					]),
			}),
		);
		t.equal(holdfast.peer('H').updatesSent, 2, 'what was modified meanwhile, nothing else');
		await noProtocolErrors(t, haproxy, holdfast);
	},
);

t.test('three nodes, one of them HAProxy', { skip: skipUnlessHaproxy('2.6'), buffered: true }, async (t) => {
	const nodes = await places('H', 'F', 'G');
	const haproxy = await startPeer('H', nodes);
	const f = await new HoldfastNode('F', section(nodes)).start();
	const g = await new HoldfastNode('G', section(nodes)).start();
	t.teardown(async () => {
		f.close();
		g.close();
		await haproxy.stop();
	});
	await waitFor('a full mesh', () =>
		[f, g].every((node) => node.peers.section.peers.every((peer) => peer.isLocal || peer.session !== undefined)),
	);
	await setAll(haproxy, '1');
	setAllHere(f, '2');
	setAllHere(g, '3');
	await sameTables(t, 'of all three', haproxy, [f, g]);
	// An update still under way would overwrite the next change: what HAProxy has said before this key has come, too.
	await haproxy.cli('set table mypeers/t_str key last data.gpc0 7');
	await waitFor('all that HAProxy has to say', () =>
		[f, g].every((node) => node.dump('mypeers/t_str').get('last')?.gpc0 === '7'),
	);
	await waitFor('acknowledgements', () =>
		[f, g].every((node) =>
			['H', 'F', 'G'].every((name) => name === node.name || node.peer(name).pendingUpdates() === 0),
		),
	);
	f.set('mypeers/t_str', 'user1', { gpc0: 50 });
	await sameTables(t, 'after a change of an entry that came from HAProxy', haproxy, [f, g]);
	t.ok(f.peer('G').session?.isHoldfast, 'Holdfast nodes know each other');
	t.notOk(f.peer('H').session?.isHoldfast);
	await noProtocolErrors(t, haproxy, f, g);
});

const TLS = fileURLToPath(new URL('../fixtures/peers-tls', import.meta.url));

/** The newer form of a section: a `bind` line with a certificate, and `server` lines. */
function tlsSection(local: string, nodes: readonly Place[], certificate = 'node'): string {
	const own = nodes.find(({ name }) => name === local)!;
	const tls = `ssl crt ${TLS}/${certificate}.pem ca-file ${TLS}/ca.pem verify required`;
	const servers = nodes.map(({ name, port }) =>
		name === local ? `  server ${name}` : `  server ${name} 127.0.0.1:${port}`,
	);
	return `peers mypeers\n  bind 127.0.0.1:${own.port} ${tls}\n  default-server ${tls}\n${servers.join('\n')}\n  table t_ip type ip size 10k expire 10m store gpc0\n`;
}

t.test('TLS on both sides, with client certificates', { skip: skipUnlessHaproxy('2.6'), buffered: true }, async (t) => {
	const nodes = await places('H', 'F');
	const haproxy = await startHaproxy((dir) =>
		haproxyText('H', tlsSection('H', nodes)).replace(/unix@[^\n]*/, `unix@${dir}/dummy.sock`),
	);
	t.teardown(() => haproxy.stop());

	const stranger = await new HoldfastNode('F', tlsSection('F', nodes, 'stranger')).start();
	await waitFor('the refusal', () => stranger.log.length > 0);
	t.equal(stranger.peer('H').session, undefined, 'a certificate of another authority is refused');
	stranger.close();

	const holdfast = await new HoldfastNode('F', tlsSection('F', nodes)).start();
	t.teardown(() => holdfast.close());
	await waitFor('a session', () => holdfast.peer('H').session !== undefined);
	await haproxy.cli('set table mypeers/t_ip key 10.0.0.1 data.gpc0 5');
	holdfast.set('mypeers/t_ip', '10.0.0.2', { gpc0: 6 });
	await sameTables(t, 'over TLS', haproxy, [holdfast], ['mypeers/t_ip']);
	await noProtocolErrors(t, haproxy, holdfast);
});

t.test(
	'HAProxy is reloaded: old and new process, one table',
	{ skip: skipUnlessHaproxy('2.6'), buffered: true },
	async (t) => {
		const nodes = await places('H', 'F');
		const text = haproxyText('H', section(nodes));
		const old = await startHaproxy((dir) => text.replace(/unix@[^\n]*/, `unix@${dir}/dummy.sock`));
		const holdfast = await new HoldfastNode('F', section(nodes)).start();
		t.teardown(async () => {
			holdfast.close();
			await old.stop();
		});
		await waitFor('a session', () => holdfast.peer('H').session !== undefined);
		await setAll(old, '1');
		setAllHere(holdfast, '2');
		await sameTables(t, 'before', old, [holdfast]);
		// Not before it is up to date: HAProxy hands over nothing until then.
		await waitFor('HAProxy up to date', async () => /flags=0x[0-9a-f]*3 /.test(await old.cli('show peers')));
		const { pid } = await infoOf(old);
		const heir = await startHaproxy((dir) => text.replace(/unix@[^\n]*/, `unix@${dir}/dummy.sock`), ['-sf', pid]);
		t.teardown(() => heir.stop());
		await sameTables(t, 'after the reload', heir, [holdfast]);
		await waitFor('a session with the new process', () => holdfast.peer('H').session !== undefined);
		await heir.cli('set table mypeers/t_str key after data.gpc0 1');
		holdfast.set('mypeers/t_str', 'later', { gpc0: 2 });
		await sameTables(t, 'after changes following it', heir, [holdfast]);
		await noProtocolErrors(t, heir, holdfast);
	},
);

t.test(
	'the old process of a reload is Holdfast, the new one HAProxy',
	{ skip: skipUnlessHaproxy('2.6'), buffered: true },
	async (t) => {
		const nodes = await places('X');
		const old = await new HoldfastNode('X', section(nodes)).start();
		setAllHere(old, '5');
		// HAProxy with -sf waits for an old process of its name to teach it. Our own process must not get the signal.
		const bystander = spawn(process.execPath, ['-e', 'process.on("SIGUSR1", () => {}); process.stdin.resume()'], {
			stdio: ['pipe', 'ignore', 'ignore'],
		});
		t.teardown(() => bystander.kill('SIGKILL'));
		const before = old.dump('mypeers/t_int');
		// The port is given up first: the new process binds it, then the old one calls it.
		old.peers.stopListening();
		const heir = await startPeerWith('X', nodes, ['-sf', String(bystander.pid)]);
		t.teardown(() => heir.stop());
		await old.peers.softStop();
		t.same([...(await haproxyDump(heir, 'mypeers/t_int')).keys()].sort(), [...before.keys()].sort());
		await sameTables(t, 'handed over to HAProxy', heir, [old]);
		t.equal(await haproxyProtocolErrors(heir), 0);
		t.equal(old.peer('X').status, 'ESTA');
	},
);

/** `-sf` and a section that did not change. */
function startPeerWith(name: string, nodes: readonly Place[], args: readonly string[]): Promise<RunningHaproxy> {
	return startHaproxy(
		(dir) => haproxyText(name, section(nodes)).replace(/unix@[^\n]*/, `unix@${dir}/dummy.sock`),
		args,
	);
}

async function infoOf(haproxy: RunningHaproxy): Promise<{ pid: string }> {
	return { pid: /^Pid: (\d+)/m.exec(await haproxy.cli('show info'))?.[1] ?? '' };
}

t.test('both sides count while they are apart', { skip: skipUnlessHaproxy('2.6'), buffered: true }, async (t) => {
	const nodes = await places('H', 'F');
	const haproxy = await startPeer('H', nodes);
	const holdfast = await new HoldfastNode('F', section(nodes)).start();
	t.teardown(async () => {
		holdfast.close();
		await haproxy.stop();
	});
	await waitFor('a session', () => holdfast.peer('H').session !== undefined);
	await haproxy.cli('set table mypeers/t_int key 1 data.gpc0 5');
	await sameTables(t, 'before', haproxy, [holdfast]);
	await waitFor('the end of the start', () => holdfast.peers.section.isUpToDate());
	// Between the loss of the session and the next call, each side changes the entry.
	holdfast.peer('H').session!.end('lost', 'cut by the test');
	holdfast.set('mypeers/t_int', '1', { gpc0: 100 });
	await haproxy.cli('set table mypeers/t_int key 1 data.gpc0 200');
	await waitFor('another session', () => holdfast.peer('H').session !== undefined);
	await sameTables(t, 'after both counted', haproxy, [holdfast]);
	t.equal(holdfast.dump('mypeers/t_int').get('1')?.gpc0, '100', 'towards HAProxy, which takes all it gets, ours stays');
	await noProtocolErrors(t, haproxy, holdfast);
});
