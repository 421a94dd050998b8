/**
 * A peers section of the configuration, running: the section with its tables, its sockets and its TLS. What
 * the control thread starts for each section of the model and stops when another configuration takes over.
 */
import type { ListenOptions } from 'node:net';
import type { PeersModel } from '../config/model.js';
import { type Clock, systemClock } from '../core/clock.js';
import { HoldfastError } from '../core/errors.js';
import type { StickTable } from '../stick-table/table.js';
import type { PeersLog } from './connection.js';
import type { PeerConfig } from './peer.js';
import { PeersSection } from './section.js';
import type { Aggregator } from './session-host.js';
import { ReplicatedStickTable } from './stick-table-adapter.js';
import { clientTls, listen, type PeersListener, SocketNetwork, serverTls } from './transport.js';

export interface RunningPeersOptions {
	readonly model: PeersModel;
	/** The local peer's name, as the configuration found it. */
	readonly localName: string;
	/** Tables of the section: its own, and those of proxies that name it. */
	readonly tables: readonly StickTable[];
	/** A bound socket to listen on; without one the local peer's address is bound. */
	readonly fd?: number | undefined;
	readonly hasOldProcess: boolean;
	readonly predecessor?: RunningPeers | undefined;
	readonly maxUpdatesAtOnce?: number | undefined;
	readonly log: PeersLog;
	readonly clock?: Clock;
	/** See `SectionOptions.aggregator`. */
	readonly aggregator?: ((section: PeersSection) => Aggregator) | undefined;
}

export class RunningPeers {
	readonly section: PeersSection;
	readonly #options: Pick<RunningPeersOptions, 'model' | 'fd'>;
	#listener: PeersListener | undefined;

	/** Reads certificates. Throws `FILE_UNREADABLE`. */
	constructor(options: RunningPeersOptions) {
		const { model } = options;
		this.#options = { model, fd: options.fd };
		const tls = new Map(
			model.peers.flatMap((peer) => (peer.tls === undefined ? [] : [[peer.name, clientTls(peer.tls)] as const])),
		);
		this.section = new PeersSection({
			name: model.name,
			localName: options.localName,
			peers: peerConfigs(model),
			tables: options.tables.map((table) => new ReplicatedStickTable(table)),
			shards: model.shards,
			sourceCheck: model.sourceCheck,
			isDisabled: model.disabled,
			hasOldProcess: options.hasOldProcess,
			predecessor: options.predecessor?.section,
			maxUpdatesAtOnce: options.maxUpdatesAtOnce,
			pid: process.pid,
			clock: options.clock ?? systemClock,
			random: Math.random,
			defer: (callback) => setImmediate(callback),
			network: new SocketNetwork({ tlsOf: ({ name }) => tls.get(name) }),
			log: options.log,
			aggregator: options.aggregator,
		});
	}

	/** Port the section listens on; undefined before `start`, without a listener, and on a unix socket. */
	get port(): number | undefined {
		return this.#listener?.port;
	}

	/** Listens, then calls the peers. Throws `BIND_FAILED`. */
	async start(): Promise<void> {
		const { model } = this.#options;
		if (model.disabled) return;
		const where = this.#listenOptions();
		if (where !== undefined) {
			const tls = model.bind?.tls === undefined ? undefined : serverTls(model.bind.tls);
			this.#listener = await listen(where, tls, (connection) => this.section.accept(connection));
		}
		this.section.start();
	}

	/** Gives the port up, so that another process can bind it; sessions go on. */
	stopListening(): void {
		this.#listener?.close();
		this.#listener = undefined;
	}

	/** Soft stop: leaves the port to the next process and teaches it (section 13). Resolves when all is done. */
	softStop(): Promise<void> {
		this.stopListening();
		return new Promise((resolve) => this.section.softStop(resolve));
	}

	/** Ends everything at once. */
	close(): void {
		this.stopListening();
		this.section.close();
	}

	#listenOptions(): ListenOptions | { readonly fd: number } | undefined {
		const { fd, model } = this.#options;
		if (fd !== undefined) return { fd };
		const address = model.bind?.address ?? model.peers.find((peer) => peer.local)?.address;
		switch (address?.kind) {
			case undefined:
				return undefined;
			case 'ip':
				return { host: address.address, port: address.port };
			case 'unix':
				return { path: address.abstract ? `\0${address.path}` : address.path };
			case 'fd':
				return { fd: address.fd };
			case 'name':
				throw new HoldfastError('BIND_FAILED', `peers section '${model.name}': ${address.host} was not resolved`);
		}
	}
}

/**
 * The peers of a section as `Section` takes them. In the form with `bind` (configuration.txt 3.5) the local `server`
 * names no address: it is reached where the section is bound. Without that a stopping process would not know whom to
 * teach, and `show peers` had nothing to print.
 */
export function peerConfigs({ bind, peers }: Pick<PeersModel, 'bind' | 'peers'>): PeerConfig[] {
	const bound = bind?.address.kind === 'ip' || bind?.address.kind === 'unix' ? bind.address : undefined;
	return peers.map(({ name, address, local, shard, disabled }) => ({
		name,
		address: address ?? (local ? bound : undefined),
		isLocal: local,
		shard: shard ?? 0,
		isDisabled: disabled,
	}));
}
