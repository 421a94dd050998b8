/** Real stick tables behind real sections on a virtual network: the contract of both sides, and what once broke HAProxy. */
import t from 'tap';
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import { PeersSection } from '../../lib/peers/section.js';
import { ReplicatedStickTable, wireNameOf } from '../../lib/peers/stick-table-adapter.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { VirtualNetwork } from '../simulation/virtual-network.js';
import { Chance, VirtualTime } from '../simulation/virtual-time.js';

const model = (changes: Partial<StickTableModel> = {}): StickTableModel => ({
	place: { file: 'test', line: 1 },
	name: 'mypeers/t',
	keyType: 'ip',
	keyLengthBytes: 4,
	size: 1000,
	expireMs: 60_000,
	nopurge: false,
	recvOnly: false,
	writeTo: undefined,
	srvkey: 'name',
	store: [
		{ type: 'gpc0', periodMs: undefined, count: undefined },
		{ type: 'conn_cur', periodMs: undefined, count: undefined },
		{ type: 'http_req_rate', periodMs: 10_000, count: undefined },
		{ type: 'server_key', periodMs: undefined, count: undefined },
	],
	bratesFactor: 1,
	peers: 'mypeers',
	...changes,
});

class Mesh {
	readonly time = new VirtualTime();
	readonly chance: Chance;
	readonly network: VirtualNetwork;
	readonly clock = this.time.clock(10_000);
	readonly tables = new Map<string, StickTable>();
	readonly sections = new Map<string, PeersSection>();

	constructor(names: readonly string[], seed: number, tableModel: StickTableModel) {
		this.chance = new Chance(seed);
		this.network = new VirtualNetwork(this.time, this.chance);
		const peers: PeerConfig[] = names.map((name) => ({
			name,
			address: undefined,
			isLocal: false,
			shard: 0,
			isDisabled: false,
		}));
		for (const name of names) {
			const table = new StickTable(tableModel, StickTable.allocate(tableModel));
			const defer = (callback: () => void): void => {
				this.time.after(0, callback);
			};
			const replicated = new ReplicatedStickTable(table);
			// The table's own signal is a promise; on virtual time it is looked at every few milliseconds instead.
			replicated.whenSignalled = (callback) => {
				this.time.after(3, callback);
			};
			const section = new PeersSection({
				name: 'mypeers',
				localName: name,
				peers: peers.map((peer) => ({ ...peer, isLocal: peer.name === name })),
				tables: [replicated],
				shards: 0,
				sourceCheck: false,
				isDisabled: false,
				hasOldProcess: false,
				pid: 1,
				clock: this.clock,
				random: () => this.chance.fraction(),
				defer,
				network: this.network.for(name),
				log: { info: () => {}, warn: () => {} },
			});
			this.tables.set(name, table);
			this.sections.set(name, section);
			this.network.listen(name, section);
			section.start();
		}
	}

	run(ms: number): void {
		this.time.runUntil(this.time.nowMs + ms);
	}

	table(name: string): StickTable {
		return this.tables.get(name)!;
	}

	add(name: string, key: number, amount = 1): void {
		const table = this.table(name);
		const nowMs = this.clock.monotonicMs();
		table.addByKey(IpAddress.fromV4(key), table.slot('gpc0')!, 0, amount, nowMs);
	}

	read(name: string, key: number): number | undefined {
		const table = this.table(name);
		return table.readByKey(IpAddress.fromV4(key), table.slot('gpc0')!, 0, this.clock.monotonicMs());
	}

	dump(name: string): Map<string, string> {
		const nowMs = this.clock.monotonicMs();
		const entries = new Map<string, string>();
		for (const view of this.table(name).entries(nowMs)) {
			const rate = view.slots.find(({ type }) => type === 'http_req_rate')!;
			const { current, previous } = view.value(rate, 0) as { current: number; previous: number };
			entries.set(
				String(view.key),
				`${view.reading(view.slots.find(({ type }) => type === 'gpc0')!, 0)} ${current} ${previous} ${view.serverKeyText}`,
			);
		}
		return entries;
	}

	stop(): void {
		for (const section of this.sections.values()) section.close();
	}
}

t.test('names on the wire', async (t) => {
	t.equal(wireNameOf('mypeers/t1'), '/t1');
	t.equal(wireNameOf('backend1'), 'backend1');
});

t.test('values, life and keys of another node', async (t) => {
	const mesh = new Mesh(['a', 'b'], 1, model());
	mesh.run(8000);
	mesh.add('a', 0x0a000001, 5);
	mesh.table('a').storeServer(IpAddress.fromV4(0x0a000002), 3, 'backend/s1', mesh.clock.monotonicMs());
	const entry = mesh.table('a').track(IpAddress.fromV4(0x0a000003), mesh.clock.monotonicMs());
	mesh.run(100);
	t.strictSame(mesh.dump('b'), mesh.dump('a'));
	const curSlot = mesh.table('b').slot('conn_cur')!;
	t.equal(
		mesh.table('b').readByKey(IpAddress.fromV4(0x0a000003), curSlot, 0, mesh.clock.monotonicMs()),
		0,
		'conn_cur is not learned',
	);
	mesh.table('a').untrack(entry, mesh.clock.monotonicMs());

	// What waited for a peer that was away has the life that is left, not a new one.
	mesh.network.partition(new Map([['b', 1]]));
	mesh.run(7000);
	mesh.add('a', 0x0a000009);
	mesh.run(20_000);
	mesh.network.heal();
	mesh.run(12_000);
	const lives = ['a', 'b'].map(
		(name) => mesh.table(name).expireMs(IpAddress.fromV4(0x0a000009), mesh.clock.monotonicMs())!,
	);
	t.ok(Math.abs(lives[0]! - lives[1]!) < 1000, `${lives} ms left`);
	mesh.stop();
});

t.test('what is taught has the life that is left', async (t) => {
	const mesh = new Mesh(['a', 'b'], 2, model());
	mesh.network.partition(new Map([['b', 1]]));
	mesh.run(6000);
	mesh.add('a', 1);
	mesh.run(30_000);
	mesh.network.heal();
	mesh.run(10_000);
	const lives = ['a', 'b'].map((name) => mesh.table(name).expireMs(IpAddress.fromV4(1), mesh.clock.monotonicMs())!);
	t.ok(lives[0]! < 30_000 && Math.abs(lives[0]! - lives[1]!) < 1000, `${lives} ms left`);
	mesh.stop();
});

t.test('tables that are full, cleared and expiring while peers read them', async (t) => {
	for (let seed = 1; seed <= 10; seed++) {
		const mesh = new Mesh(['a', 'b', 'c'], seed, model({ size: 60, expireMs: 3000 }));
		for (let step = 0; step < 300; step++) {
			const name = mesh.chance.pick(['a', 'b', 'c']);
			const nowMs = mesh.clock.monotonicMs();
			switch (mesh.chance.index(8)) {
				case 0:
					mesh.table(name).clearByKey(IpAddress.fromV4(mesh.chance.index(100)), nowMs);
					break;
				case 1:
					mesh.table(name).expire(nowMs);
					break;
				case 2:
					if (mesh.chance.happens(0.1)) mesh.table(name).clear(nowMs);
					if (mesh.chance.happens(0.1)) mesh.network.breakOne();
					break;
				default:
					for (let i = mesh.chance.index(20); i > 0; i--) mesh.add(name, mesh.chance.index(100));
			}
			mesh.run(mesh.chance.pick([1, 10, 100, 500]));
			for (const table of mesh.tables.values()) {
				const broken = table.verify();
				if (broken !== undefined) t.fail(`seed ${seed}, step ${step}: ${broken}`);
			}
		}
		const errors = [...mesh.sections.values()].flatMap(({ peers }) => peers.map((peer) => peer.protocolErrors));
		t.ok(
			errors.every((count) => count === 0),
			`seed ${seed}: no protocol errors`,
		);
		mesh.stop();
	}
});

t.test('recv-only tables learn conn_cur, and can be read', async (t) => {
	const mesh = new Mesh(['a', 'b'], 3, model({ recvOnly: true }));
	mesh.run(8000);
	const entries = Array.from({ length: 3 }, () => mesh.table('a').track(IpAddress.fromV4(7), mesh.clock.monotonicMs()));
	mesh.run(100);
	const slot = mesh.table('b').slot('conn_cur')!;
	t.equal(mesh.table('b').readByKey(IpAddress.fromV4(7), slot, 0, mesh.clock.monotonicMs()), 3);
	for (const entry of entries) mesh.table('a').untrack(entry, mesh.clock.monotonicMs());
	mesh.run(100);
	t.equal(mesh.table('b').readByKey(IpAddress.fromV4(7), slot, 0, mesh.clock.monotonicMs()), 0);
	t.equal(mesh.dump('b').size, 1);
	mesh.stop();
});

t.test('a string key with a NUL inside is one entry everywhere', async (t) => {
	const mesh = new Mesh(['a', 'b'], 4, model({ keyType: 'string', keyLengthBytes: 20 }));
	mesh.run(8000);
	const slot = mesh.table('a').slot('gpc0')!;
	for (const key of ['AB\0CD', 'AB\0EF', 'AB']) mesh.table('a').addByKey(key, slot, 0, 1, mesh.clock.monotonicMs());
	mesh.run(100);
	for (const name of ['a', 'b']) t.strictSame([...mesh.dump(name)], [['AB', '3 0 0 ']], name);
	mesh.stop();
});

t.test('a hundred thousand entries are taught in turns', async (t) => {
	const mesh = new Mesh(['a', 'b'], 5, model({ size: 200_000 }));
	mesh.network.partition(new Map([['b', 1]]));
	mesh.run(6000);
	for (let i = 0; i < 100_000; i++) mesh.add('a', i);
	mesh.network.heal();
	// Somebody else's work on the same thread: at no moment may a pass of the lesson be long.
	let turns = 0;
	let longestMs = 0;
	let last = performance.now();
	const turn = (): void => {
		const now = performance.now();
		longestMs = Math.max(longestMs, now - last);
		last = now;
		turns++;
		mesh.time.after(1, turn);
	};
	turn();
	mesh.run(20_000);
	t.equal(mesh.table('b').usedCount(), 100_000);
	t.ok(turns > 19_000 && longestMs < 1000, `${turns} turns, the longest wait ${Math.round(longestMs)} ms`);
	mesh.stop();
});
