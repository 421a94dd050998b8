/**
 * The sockets of the runtime API (manual, 3.1 `stats socket`, `stats timeout`, `stats maxconn`), in the control thread.
 *
 * There is one `RuntimeApi` in a worker, whatever configuration serves: `serve` gives it another configuration and
 * other listening sockets, and the connections that are open go on with it, as operators with a prompt open over
 * a reload expect. A connection that came over a limit is closed at once: a monitor that fails says more than
 * one that hangs.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { StatsSocketModel } from '../config/model.js';
import type { Logger } from '../core/logger.js';
import { CliSession } from './cli-session.js';
import { type Answer, type CliState, fault } from './command.js';
import type { CommandRegistry } from './registry.js';
import type { RuntimeView } from './runtime-view.js';

/** What the master gives for a socket: bound, and shared with nobody else in this process. */
export interface ListeningDescriptor {
	readonly fd: number;
}

export interface RuntimeSocket {
	readonly model: StatsSocketModel;
	readonly handle: ListeningDescriptor;
}

const BACKLOG = 128;

export class RuntimeApi {
	readonly #registry: CommandRegistry;
	readonly #logger: Pick<Logger, 'error' | 'warn'>;
	#view: RuntimeView | undefined;
	#servers: Server[] = [];
	readonly #sessions = new Set<CliSession>();
	/** Connections of each socket, by its line: `maxconn` on it. */
	#limit = 0;

	constructor(registry: CommandRegistry, logger: Pick<Logger, 'error' | 'warn'>) {
		this.#registry = registry;
		this.#logger = logger;
	}

	get connectionCount(): number {
		return this.#sessions.size;
	}

	/**
	 * From now on commands see `view`, and connections are accepted on `sockets`. The descriptors are copies of sockets
	 * that the master owns: closing the former ones gives up nothing.
	 */
	serve(view: RuntimeView, sockets: readonly RuntimeSocket[]): void {
		const former = this.#servers;
		this.#view = view;
		this.#limit = view.model.global.statsMaxconn;
		this.#servers = sockets.map((socket) => this.#listen(socket));
		for (const server of former) server.close();
	}

	/** One command that came another way than by a stats socket: the master's CLI. */
	run(words: readonly string[], payload: string | undefined, state: CliState): Answer | Promise<Answer> {
		if (this.#view === undefined) return fault('No configuration is served.');
		if (words[0] === 'help') return `${this.#registry.help(words.slice(1), state.level)}\n`;
		return this.#registry.run({ words, payload, view: this.#view, state });
	}

	/** Nothing is accepted any more; who is connected goes on. */
	stopAccepting(): void {
		for (const server of this.#servers) server.close();
		this.#servers = [];
	}

	close(): void {
		this.stopAccepting();
		for (const session of this.#sessions) session.close();
	}

	#listen({ model, handle }: RuntimeSocket): Server {
		let connections = 0;
		const server = createServer({ allowHalfOpen: true }, (socket) => {
			const limit = model.maxconn ?? 0;
			if (this.#sessions.size >= this.#limit || (limit > 0 && connections >= limit)) {
				socket.destroy();
				return;
			}
			connections++;
			this.#open(socket, model, () => {
				connections--;
			});
		});
		server.on('error', (error) => this.#logger.error({ err: error }, 'a stats socket cannot be listened on'));
		server.listen({ fd: handle.fd, backlog: BACKLOG });
		return server;
	}

	#open(socket: Socket, model: StatsSocketModel, onClose: () => void): void {
		const view = (): RuntimeView => {
			if (this.#view === undefined) throw new Error('no configuration is served');
			return this.#view;
		};
		const { global } = view().model;
		const session: CliSession = new CliSession({
			socket,
			level: model.level,
			registry: this.#registry,
			view,
			timeoutMs: global.statsTimeoutMs,
			limitBytes: global.tune.bufsizeBytes,
			onBug: (error, command) => this.#logger.error({ err: error, command }, 'a runtime API command failed'),
			onClose: () => {
				this.#sessions.delete(session);
				onClose();
			},
		});
		this.#sessions.add(session);
	}
}
