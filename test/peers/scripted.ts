/** A real section on virtual time whose other side is a script: bytes go in, what it answers is collected. */
import type { Connection, ConnectionEvents, Network } from '../../lib/peers/connection.js';
import { MessageReader } from '../../lib/peers/decode.js';
import type { ColumnSpec } from '../../lib/peers/entry-record.js';
import type { PeerConfig } from '../../lib/peers/peer.js';
import { MESSAGE_CLASS } from '../../lib/peers/protocol.js';
import { PeersSection, type SectionOptions } from '../../lib/peers/section.js';
import { VirtualTime } from '../simulation/virtual-time.js';
import { MemoryTable, type MemoryTableOptions } from './memory-table.js';

export class ScriptedConnection implements Connection {
	readonly remoteText = '192.0.2.1:5';
	readonly remoteAddress: string | undefined;
	bufferedBytes = 0;
	events: ConnectionEvents | undefined;
	closedBy: 'fin' | 'reset' | undefined;
	/** As of a peer that does not read: what is written stays. */
	isBlocked = false;
	#output: Buffer[] = [];

	constructor(remoteAddress: string | undefined = '192.0.2.1') {
		this.remoteAddress = remoteAddress;
	}

	write(bytes: Buffer): void {
		this.#output.push(bytes);
		if (this.isBlocked) this.bufferedBytes += bytes.length;
	}

	close(kind: 'fin' | 'reset'): void {
		this.closedBy ??= kind;
	}

	/** Bytes from the script. */
	send(...parts: (string | Buffer | readonly number[])[]): void {
		for (const part of parts) {
			const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part);
			if (this.closedBy === undefined) this.events?.received(bytes);
		}
	}

	/** The script reads again. */
	unblock(): void {
		this.isBlocked = false;
		this.bufferedBytes = 0;
		this.events?.drained();
	}

	/** Everything written so far, and forgets it. */
	take(): Buffer {
		const all = Buffer.concat(this.#output);
		this.#output = [];
		return all;
	}

	/** Messages written so far as hex, our own class left out; a status line first, if there is one. */
	messages(): string[] {
		const bytes = this.take();
		const list: string[] = [];
		let start = 0;
		const line = /^(\d{3})\n/.exec(bytes.toString('latin1'));
		if (line !== null) {
			list.push(line[1]!);
			start = 4;
		}
		new MessageReader().feed(bytes, start, {
			message(messageClass, type, body, from, to) {
				if (messageClass === MESSAGE_CLASS.HOLDFAST) return true;
				const header = Buffer.from([messageClass, type]).toString('hex');
				list.push(type < 128 ? header : `${header} ${Buffer.from(body.subarray(from, to)).toString('hex')}`);
				return true;
			},
		});
		return list;
	}
}

export interface ScriptedOptions extends Partial<Omit<SectionOptions, 'tables' | 'clock' | 'network'>> {
	readonly tableOptions?: readonly Omit<MemoryTableOptions, 'clock' | 'defer'>[];
	readonly columns?: readonly ColumnSpec[];
	readonly peerNames?: readonly string[];
	readonly shardOf?: Readonly<Record<string, number>>;
}

export class ScriptedCluster {
	readonly time = new VirtualTime();
	readonly tables: readonly MemoryTable[];
	readonly section: PeersSection;
	readonly log: string[] = [];
	/** Calls that the section made, newest last. */
	readonly calls: { readonly peer: PeerConfig; readonly connection: ScriptedConnection; readonly atMs: number }[] = [];
	/** What becomes of a call; by default it is refused a moment later. */
	onCall: (connection: ScriptedConnection, peer: PeerConfig) => void = (connection) => {
		this.time.after(1, () => connection.events?.closed('connection refused'));
	};

	/** Node A with the peer B, or those given. Starts the section. */
	constructor(options: ScriptedOptions = {}) {
		const clock = this.time.clock();
		const defer = (callback: () => void): void => {
			this.time.after(0, callback);
		};
		const tables = options.tableOptions ?? [
			{
				name: 't',
				wireName: 't',
				keyType: 'ip',
				keyLengthBytes: 4,
				expireMs: 600_000,
				columns: options.columns ?? [{ typeId: 2 }],
			},
		];
		this.tables = tables.map((table) => new MemoryTable({ ...table, clock, defer }));
		const network: Network = {
			addressesOf: (peer) => [`192.0.2.${peer.name.charCodeAt(0) - 65}`],
			dial: (peer, events) => {
				const connection = new ScriptedConnection();
				connection.events = events;
				this.calls.push({ peer, connection, atMs: this.time.nowMs });
				this.onCall(connection, peer);
				return connection;
			},
		};
		const names = options.peerNames ?? ['A', 'B'];
		this.section = new PeersSection({
			name: 'mypeers',
			localName: 'A',
			peers: names.map((name) => ({
				name,
				address: { kind: 'ip', address: '127.0.0.1', family: 4, port: 1024 },
				isLocal: name === 'A',
				shard: options.shardOf?.[name] ?? 0,
				isDisabled: false,
			})),
			shards: 0,
			sourceCheck: false,
			isDisabled: false,
			hasOldProcess: false,
			pid: 4242,
			random: () => 0.5,
			defer,
			log: { info: (text) => this.log.push(text), warn: (text) => this.log.push(text) },
			...options,
			tables: this.tables,
			clock,
			network,
		});
		this.section.start();
	}

	get table(): MemoryTable {
		return this.tables[0]!;
	}

	run(ms: number): void {
		this.time.runUntil(this.time.nowMs + ms);
	}

	/** A caller that has said nothing yet. */
	caller(remoteAddress?: string): ScriptedConnection {
		const connection = new ScriptedConnection(remoteAddress);
		connection.events = this.section.accept(connection);
		return connection;
	}

	/** A caller that was greeted; its status and our first messages are taken. */
	session(name = 'B', version = '2.1'): ScriptedConnection {
		const connection = this.caller();
		connection.send(`HAProxyS ${version}\nA\n${name} 7 1\n`);
		this.run(1);
		connection.messages();
		return connection;
	}

	peer(name = 'B') {
		return this.section.peers.find((peer) => peer.name === name)!;
	}
}

/** A key of an ip table as the memory table keeps it. */
export const ipKey = (...bytes: number[]): string => Buffer.from(bytes).toString('latin1');
