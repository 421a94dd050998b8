/**
 * Where Node's client gets its connections from: the pool of idle connections that a server has in this thread,
 * so that `http-reuse`, `pool-max-conn` and `max-reuse` mean the same in both engines, or a new socket.
 *
 * Node asks an agent only for `addRequest`; when a response is complete and the connection may stay, Node
 * emits 'free' on the socket. A socket in the pool that says anything is closed.
 */
import type { ClientRequest } from 'node:http';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { PooledConnection } from '../../backend/pool.js';
import type { Destination, Server } from '../../backend/server.js';

/** What a client's connection has to say about the connections of its requests. */
export interface ConnectionReuse {
	readonly isFirstRequest: boolean;
	/** A connection that has served may serve this request. */
	readonly mayReuse: boolean;
	/** The proxies' options allow another exchange on the connection. */
	mayKeep(): boolean;
	/** The client's own connection to that server, taken. */
	takePrivate(server: Server): NodeServerConnection | undefined;
	/** With `http-reuse never`, or if it is private: keeps it for this client alone; false otherwise. */
	keepPrivate(connection: NodeServerConnection): boolean;
}

/** A socket to a server as the pool sees it. */
export class NodeServerConnection implements PooledConnection {
	readonly socket: Socket;
	readonly server: Server;
	servedCount = 0;
	/** It knows its user (authentication.ts). */
	isPrivate = false;

	constructor(socket: Socket, server: Server) {
		this.socket = socket;
		this.server = server;
		// Between two requests nobody else listens: an error must not leave the socket.
		socket.on('error', () => {});
		socket.on('close', () => server.idle.drop(this));
	}

	/** The response is complete. The pool may have the connection, or else the client that it served. */
	release(reuse: ConnectionReuse): void {
		const { socket } = this;
		this.servedCount++;
		const mayKeep = reuse.mayKeep() && !socket.destroyed && !socket.readableEnded;
		if (!mayKeep || !((!this.isPrivate && this.server.idle.put(this)) || reuse.keepPrivate(this))) {
			this.close();
			return;
		}
		socket.on('data', this.#onIdle);
		socket.on('end', this.#onIdle);
	}

	take(): Socket {
		this.socket.off('data', this.#onIdle);
		this.socket.off('end', this.#onIdle);
		return this.socket;
	}

	/** An answer to nothing, or the server's goodbye. */
	readonly #onIdle = (): void => this.close();

	close(): void {
		this.server.idle.drop(this);
		this.socket.destroy();
	}
}

/** What `http.request` needs of an agent, for one request. */
export class ServerAgent {
	/** Node reads these. */
	readonly protocol = 'http:';
	readonly defaultPort = 80;
	readonly keepAlive = true;
	readonly maxSockets = Number.POSITIVE_INFINITY;
	readonly options = {};
	readonly #server: Server;
	readonly #destination: Destination;
	readonly #reuse: ConnectionReuse;
	connection: NodeServerConnection | undefined;
	reused = false;

	constructor(server: Server, destination: Destination, reuse: ConnectionReuse) {
		this.#server = server;
		this.#destination = destination;
		this.#reuse = reuse;
	}

	addRequest(request: ClientRequest): void {
		const idle = this.#reuse.mayReuse
			? (this.#reuse.takePrivate(this.#server) ?? this.#server.idle.take(this.#reuse.isFirstRequest))
			: undefined;
		if (idle instanceof NodeServerConnection) {
			this.connection = idle;
			this.reused = true;
			request.reusedSocket = true;
			idle.take();
		} else {
			idle?.close();
			this.connection = new NodeServerConnection(
				connect(connectOptions(this.#server, this.#destination)),
				this.#server,
			);
			this.#server.idle.opened(this.connection);
		}
		const { connection } = this;
		connection.socket.once('free', () => connection.release(this.#reuse));
		request.onSocket(connection.socket);
	}
}

function connectOptions(server: Server, destination: Destination): NetConnectOpts {
	if (destination.kind === 'unix') {
		return { path: destination.abstract ? `\0${destination.path}` : destination.path, allowHalfOpen: true };
	}
	const source = server.model.source;
	return {
		host: destination.host,
		port: destination.port,
		allowHalfOpen: true,
		noDelay: true,
		...(source?.kind === 'ip' ? { localAddress: source.address } : undefined),
		...(source?.kind === 'ip' && source.port > 0 ? { localPort: source.port } : undefined),
	};
}
