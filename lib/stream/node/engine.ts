/**
 * The engine behind `tune.http.engine node`: Node's own http server in front, http-proxy towards servers. It is
 * what the native codec is tested against, and what an operator falls back to. Mode tcp has no HTTP in it and
 * is served by the native engine in either case.
 *
 * One http server per data thread serves all of its connections; it never listens itself.
 */
import { createServer, type Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { ClientConnection } from '../native/client-connection.js';
import type { Session } from '../session.js';
import type { ThreadRuntime } from '../thread-runtime.js';
import { NodeConnection } from './node-connection.js';

const servers = new WeakMap<ThreadRuntime, HttpServer>();
const connections = new WeakMap<Duplex, NodeConnection>();

/** Makes a connection of an accepted handle and begins to serve it. */
export function nodeEngine(
	thread: ThreadRuntime,
	session: Session,
	handle: unknown,
): { closeIdle(restingSinceMs: number): void; destroy(): void } {
	if (session.frontend.mode === 'tcp') {
		const connection = new ClientConnection(thread, session, handle);
		connection.open(session.acceptedMs);
		return connection;
	}
	let server = servers.get(thread);
	if (server === undefined) {
		server = makeServer(thread);
		servers.set(thread, server);
	}
	const connection = new NodeConnection(thread, session, handle, server);
	connections.set(connection.socket, connection);
	connection.open();
	return connection;
}

function makeServer(thread: ThreadRuntime): HttpServer {
	const server = createServer({
		insecureHTTPParser: false,
		maxHeaderSize: thread.headLimits.headSizeMax,
		// Our own checks answer for these, with the operator's error pages.
		requireHostHeader: false,
		noDelay: true,
		// All time is kept by the thread's wheel.
		requestTimeout: 0,
		headersTimeout: 0,
		keepAliveTimeout: 0,
	});
	server.timeout = 0;
	// 0: no limit, in which Node would leave out fields without a word; ours refuses.
	server.maxHeadersCount = 0;
	// A client that has said its last word still gets its answer.
	(server as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
	server.on('request', (request, response) => connections.get(request.socket)?.requestArrived(request, response));
	server.on('checkContinue', (request, response) => connections.get(request.socket)?.requestArrived(request, response));
	server.on('checkExpectation', (request, response) =>
		connections.get(request.socket)?.requestArrived(request, response),
	);
	server.on('upgrade', (request, socket, first) => connections.get(socket)?.detached(request, first));
	server.on('connect', (request, socket, first) => connections.get(socket)?.detached(request, first));
	server.on('clientError', (error, socket) => connections.get(socket)?.parseFailed(error));
	return server;
}
