/**
 * One check of one server, from its first connection to its verdict: walks the steps, opens what they connect to,
 * and calls back exactly once. Whatever happens (a refusal, a reset, silence, nonsense) is a result.
 *
 * Time (manual, 4.2 `timeout check`): a connection may take `timeout connect`, at most the interval; with `timeout
 * check` each of the steps behind it may take that long, else the whole check has one interval.
 */
import net from 'node:net';
import tls from 'node:tls';
import type { SocketAddress } from '../../core/address.js';
import type { Clock, Timer } from '../../core/clock.js';
import { resetSocket } from '../../core/reset-socket.js';
import { ChunkedDecoder } from '../../http/body-framing.js';
import { DEFAULT_HEAD_LIMITS, parseResponseHead } from '../../http/head-parser.js';
import { HttpRefusal } from '../../http/refusal.js';
import { SocksTunnel } from '../socks4.js';
import { type CheckResult, CheckStatus } from './check-status.js';
import type { CheckView } from './check-view.js';
import { H2Dialogue } from './h2-dialogue.js';
import type { CompiledCheck, ConnectAction, ExpectAction, Received, SendAction } from './steps.js';

/** What the server line says of its checks. */
export interface CheckTarget {
	readonly destination:
		| { readonly kind: 'tcp'; readonly host: string; readonly port: number }
		| { readonly kind: 'unix'; readonly path: string };
	readonly localAddress: string | undefined;
	/** The server's own TLS options, with those of its checks; for steps that ask for TLS too. */
	readonly tls: tls.ConnectionOptions;
	/** Connections that follow the server line use TLS. */
	readonly usesTls: boolean;
	/** The PROXY protocol header to send where it is asked for. */
	readonly proxyHeader: (local: net.AddressInfo, host: string, port: number) => Buffer;
	readonly usesProxyHeader: boolean;
	/** Which HTTP it speaks (`check-proto`, else `proto`); undefined: what ALPN chooses, else HTTP/1. */
	readonly proto?: 'h1' | 'h2' | undefined;
	/** Connections to the server go by way of it, those of checks where it is asked for. */
	readonly socks4?: SocketAddress | undefined;
	readonly usesSocks4?: boolean;
}

export interface CheckRunOptions {
	readonly check: CompiledCheck;
	readonly target: CheckTarget;
	readonly view: CheckView;
	readonly clock: Clock;
	readonly connectTimeoutMs: number;
	/** `timeout check`. */
	readonly checkTimeoutMs: number | undefined;
	readonly intervalMs: number;
	/** Bytes of a response that are looked at (`tune.bufsize`). */
	readonly bufferSize: number;
	/** The server runs: `disable-on-404` applies to it. */
	readonly isRunning: boolean;
	/** For `http-check send-state`; empty without. */
	readonly state: string;
	readonly done: (result: CheckResult) => void;
}

/** The sentence of the system for an error of a connection, as strerror(3) has it. */
const ERROR_TEXTS: ReadonlyMap<string, string> = new Map([
	['ECONNREFUSED', 'Connection refused'],
	['ECONNRESET', 'Connection reset by peer'],
	['ECONNABORTED', 'Software caused connection abort'],
	['EHOSTUNREACH', 'No route to host'],
	['ENETUNREACH', 'Network is unreachable'],
	['ETIMEDOUT', 'Connection timed out'],
	['EADDRNOTAVAIL', 'Cannot assign requested address'],
	['EADDRINUSE', 'Address already in use'],
	['EACCES', 'Permission denied'],
	['ENOENT', 'No such file or directory'],
	['EPIPE', 'Broken pipe'],
	['EMFILE', 'Too many open files'],
]);

export function errorText(error: NodeJS.ErrnoException): string {
	return ERROR_TEXTS.get(error.code ?? '') ?? error.message;
}

export class CheckRun {
	readonly #options: CheckRunOptions;
	readonly #startMs: number;
	#at = 0;
	#socket: net.Socket | undefined;
	#connection: ConnectAction | undefined;
	/** `connecting` ends with the handshake of TLS, when there is one. */
	#phase: 'connecting' | 'handshaking' | 'talking' = 'connecting';
	#timer: Timer | undefined;
	#isOver = false;
	#received = '';
	#ended = false;
	#sentMethod: string | undefined;
	/** Where the connection speaks HTTP/2. */
	#dialogue: H2Dialogue | undefined;
	/** Whether a send or an expect has been carried out, and how the last one ended. */
	#last: Omit<CheckResult, 'durationMs'> | undefined;
	readonly #startedTalking: { withTls: boolean } = { withTls: false };

	constructor(options: CheckRunOptions) {
		this.#options = options;
		this.#startMs = options.clock.monotonicMs();
	}

	start(): void {
		this.#advance();
	}

	/** Gives up without a result. */
	cancel(): void {
		this.#isOver = true;
		this.#timer?.cancel();
		this.#closeSocket();
	}

	#advance(): void {
		const { actions } = this.#options.check;
		while (!this.#isOver) {
			const action = actions[this.#at];
			if (action === undefined) {
				this.#succeed();
				return;
			}
			switch (action.kind) {
				case 'variable':
					this.#show();
					action.run(this.#options.view);
					break;
				case 'connect':
					this.#connect(action);
					return;
				case 'send':
					if (!this.#send(action)) return;
					break;
				case 'expect':
					if (!this.#expect(action)) return;
					break;
			}
			this.#at++;
		}
	}

	#succeed(): void {
		const { withTls } = this.#startedTalking;
		this.#finish(this.#last ?? { status: withTls ? CheckStatus.L6OK : CheckStatus.L4OK, code: 0, info: '' });
	}

	#finish(result: Omit<CheckResult, 'durationMs'>): void {
		if (this.#isOver) return;
		this.#isOver = true;
		this.#timer?.cancel();
		this.#closeSocket();
		this.#options.done({ ...result, durationMs: this.#options.clock.monotonicMs() - this.#startMs });
	}

	/** By a reset unless the step asked for a clean end: a check leaves no port in TIME_WAIT behind. */
	#closeSocket(): void {
		const socket = this.#socket;
		this.#socket = undefined;
		if (socket === undefined) return;
		socket.removeAllListeners();
		socket.on('error', () => undefined);
		this.#dialogue?.leave();
		this.#dialogue = undefined;
		if (this.#connection?.linger === true) socket.destroySoon();
		else if (socket.connecting) socket.destroy();
		else resetSocket(socket);
	}

	// Connecting

	#connect(action: ConnectAction): void {
		this.#closeSocket();
		const { target, view } = this.#options;
		this.#connection = action;
		this.#received = '';
		this.#ended = false;
		this.#phase = 'connecting';
		const fromServer = action.isImplicit || action.usesServerSettings;
		const { destination } = target;
		const port = action.port?.(view) ?? (destination.kind === 'tcp' ? destination.port : 0);
		const host = action.host ?? (destination.kind === 'tcp' ? destination.host : '');
		const usesUnix = destination.kind === 'unix' && action.host === undefined;
		if (!usesUnix && (port < 1 || port > 65535)) {
			this.#finish({ status: CheckStatus.SOCKERR, code: 0, info: this.#placed('Invalid port') });
			return;
		}
		const where = usesUnix ? { path: destination.path } : { host, port };
		const usesTls = action.ssl || (fromServer && target.usesTls);
		const usesProxy = action.sendProxy || (fromServer && target.usesProxyHeader);
		const from = target.localAddress === undefined || usesUnix ? {} : { localAddress: target.localAddress };
		const viaSocks = !usesUnix && (action.viaSocks4 || (fromServer && target.usesSocks4)) ? target.socks4 : undefined;
		const socket =
			viaSocks === undefined
				? net.connect({ ...where, ...from, noDelay: true } as net.NetConnectOpts)
				: (new SocksTunnel(viaSocks, host, port, from) as unknown as net.Socket);
		this.#socket = socket;
		this.#arm(Math.min(this.#options.connectTimeoutMs, this.#options.intervalMs));
		socket.once('error', (error) => this.#connectionFailed(error));
		socket.once('connect', () => {
			if (usesProxy) socket.write(target.proxyHeader(socket.address() as net.AddressInfo, host, port));
			if (usesTls) this.#handshake(socket, action);
			else this.#connected(socket);
		});
	}

	#handshake(socket: net.Socket, action: ConnectAction): void {
		this.#phase = 'handshaking';
		this.#startedTalking.withTls = true;
		socket.removeAllListeners('error');
		const { target } = this.#options;
		let secure: tls.TLSSocket;
		try {
			secure = tls.connect({
				...target.tls,
				...(action.sni === undefined ? {} : { servername: action.sni }),
				...(action.alpn.length === 0 ? {} : { ALPNProtocols: [...action.alpn] }),
				socket,
			});
		} catch (error) {
			this.#finish({ status: CheckStatus.L6RSP, code: 0, info: errorText(error as Error) });
			return;
		}
		this.#socket = secure;
		secure.once('error', (error) => this.#connectionFailed(error));
		secure.once('close', () => this.#connectionFailed(new Error('SSL handshake failure')));
		secure.once('secureConnect', () => this.#connected(secure));
	}

	#connected(socket: net.Socket): void {
		socket.removeAllListeners('error');
		socket.removeAllListeners('close');
		this.#phase = 'talking';
		if (this.#speaksHttp2(socket)) {
			this.#dialogue = new H2Dialogue({
				isTls: socket instanceof tls.TLSSocket,
				bodyBytesMax: this.#options.bufferSize,
				write: (bytes) => socket.write(bytes),
			});
		}
		const { checkTimeoutMs, intervalMs, clock } = this.#options;
		this.#arm(checkTimeoutMs ?? Math.max(1, this.#startMs + intervalMs - clock.monotonicMs()));
		// A connection that breaks has said all it will say: the expectation decides what that means.
		socket.on('data', (chunk: Buffer) => this.#receive(chunk));
		socket.on('end', () => this.#receiveEnd());
		socket.on('error', () => this.#receiveEnd());
		socket.on('close', () => this.#receiveEnd());
		this.#at++;
		this.#advance();
	}

	#speaksHttp2(socket: net.Socket): boolean {
		const { check, target } = this.#options;
		const action = this.#connection;
		if (check.isHttp !== true || action === undefined) return false;
		const followsServer = action.isImplicit || action.usesServerSettings;
		const proto = action.proto ?? (followsServer ? target.proto : undefined);
		if (proto !== undefined) return proto === 'h2';
		return socket instanceof tls.TLSSocket && socket.alpnProtocol === 'h2';
	}

	#connectionFailed(error: NodeJS.ErrnoException): void {
		if (this.#phase === 'handshaking') {
			const isHandshake = error.code === undefined || /^(?:ERR_SSL|ECONNRESET|EPROTO)/.test(error.code);
			const info = isHandshake ? 'SSL handshake failure' : certificateReason(error);
			this.#finish({ status: CheckStatus.L6RSP, code: 0, info: this.#placed(info) });
			return;
		}
		this.#finish({ status: CheckStatus.L4CON, code: 0, info: this.#placed(errorText(error)) });
	}

	#arm(delayMs: number): void {
		this.#timer?.cancel();
		this.#timer = this.#options.clock.setTimer(() => this.#timedOut(), delayMs);
	}

	#timedOut(): void {
		const action = this.#options.check.actions[this.#at];
		const status =
			this.#phase === 'connecting'
				? CheckStatus.L4TOUT
				: this.#phase === 'handshaking'
					? CheckStatus.L6TOUT
					: action?.kind === 'expect'
						? action.timeoutStatus
						: CheckStatus.L7TOUT;
		this.#finish({ status, code: 0, info: this.#placed('') });
	}

	/** Adds where in the lines of `tcp-check` it happened. */
	#placed(info: string): string {
		const { check } = this.#options;
		if (!check.namesSteps) return info;
		const action = check.actions[this.#at];
		if (action === undefined || action.kind === 'variable') return info;
		if (action.kind === 'connect' && action.isImplicit) return `${info} at initial connection step of tcp-check`;
		const comment = action.comment === undefined ? '' : ` comment: '${action.comment}'`;
		return `${info} at step ${action.number} of tcp-check (${action.label})${comment}`;
	}

	// Talking

	#send(action: SendAction): boolean {
		this.#show();
		if (this.#dialogue !== undefined && action.request !== undefined) return this.#sendRequest(this.#dialogue, action);
		const data = action.data(this.#options.view, this.#options.state);
		if (data === undefined) {
			const info = `tcp-check send-binary-lf: invalid hexadecimal digits at step ${action.number}`;
			this.#finish({ status: CheckStatus.SOCKERR, code: 0, info });
			return false;
		}
		this.#received = '';
		this.#sentMethod = action.method;
		this.#last = { status: CheckStatus.L7OK, code: 0, info: '(tcp-check)' };
		this.#socket?.write(Buffer.from(data, 'latin1'));
		return true;
	}

	#sendRequest(dialogue: H2Dialogue, { request, method }: SendAction): boolean {
		const { view, state } = this.#options;
		this.#sentMethod = method;
		this.#last = { status: CheckStatus.L7OK, code: 0, info: '' };
		this.#ended = false;
		if (request !== undefined && dialogue.send(request(view, state))) return true;
		this.#finish({ status: CheckStatus.SOCKERR, code: 0, info: '' });
		return false;
	}

	#receive(chunk: Buffer): void {
		if (this.#isOver) return;
		if (this.#dialogue !== undefined) {
			if (this.#dialogue.receive(chunk, this.#options.clock.monotonicMs())) this.#advance();
			return;
		}
		const room = this.#options.bufferSize - this.#received.length;
		this.#received += chunk.toString('latin1', 0, Math.max(0, room));
		// A response that fills the buffer is judged by what fits (manual, `http-check expect`).
		if (chunk.length >= room) this.#ended = true;
		this.#advance();
	}

	#receiveEnd(): void {
		if (this.#isOver || this.#ended) return;
		this.#ended = true;
		this.#dialogue?.closed();
		this.#advance();
	}

	/** False when more must come first, or the check is over. */
	#expect(action: ExpectAction): boolean {
		const dialogue = this.#dialogue;
		const isEmpty = dialogue === undefined ? this.#received === '' : this.#ended && dialogue.isEmpty;
		if (isEmpty && !this.#ended) return false;
		if (isEmpty) {
			const comment = action.comment === undefined ? '' : ` comment: '${action.comment}'`;
			const info = action.isHttp ? '' : `TCPCHK got an empty response at step ${action.number}${comment}`;
			this.#finish({ status: action.emptyStatus, code: 0, info });
			return false;
		}
		let received: Received = { text: this.#received, ended: this.#ended, head: undefined, body: '' };
		if (action.isHttp) {
			const message = dialogue?.response() ?? readResponse(this.#received, this.#ended, this.#sentMethod);
			if (message === 'wait') return false;
			if (message === 'malformed') {
				const status = dialogue?.isBroken === true ? CheckStatus.SOCKERR : CheckStatus.L7RSP;
				this.#finish({ status, code: 0, info: '' });
				return false;
			}
			received = message;
		}
		const { view, check, isRunning } = this.#options;
		this.#show(received);
		if (check.disableOn404 && isRunning && received.head?.status === 404) {
			this.#finish({ status: CheckStatus.L7OKC, code: 404, info: '' });
			return false;
		}
		const judgement = action.judge(received, view);
		if (judgement === 'wait') return false;
		const { status, code, info } = judgement;
		if (!judgement.passed) {
			this.#finish({ status, code, info });
			return false;
		}
		this.#last = { status, code, info };
		return true;
	}

	/** Lets the expressions of a step see what has come. */
	#show(received?: Received): void {
		const { view } = this.#options;
		view.response = received?.head;
		view.responseBuffer = Buffer.from(received?.head === undefined ? this.#received : received.body, 'latin1');
		view.responseBufferComplete = this.#ended;
	}
}

/** An error of a certificate has a code of OpenSSL, whose words people look for. */
function certificateReason(error: NodeJS.ErrnoException): string {
	return `SSL handshake failure (${error.code ?? ''}: ${error.message})`;
}

function readResponse(text: string, ended: boolean, method: string | undefined): Received | 'wait' | 'malformed' {
	for (let start = 0; ; ) {
		const end = text.indexOf('\r\n\r\n', start);
		if (end < 0) {
			const begins = 'HTTP/1.'.startsWith(text.slice(start, start + 7)) || text.startsWith('HTTP/1.', start);
			return ended || !begins ? 'malformed' : 'wait';
		}
		const head = parseResponseHead(text.slice(start, end + 4), DEFAULT_HEAD_LIMITS, method ?? 'OPTIONS');
		if (head instanceof HttpRefusal) return 'malformed';
		start = end + 4;
		if (head.status < 200 && head.status !== 101) continue;
		const { framing } = head;
		let body = text.slice(start);
		let complete = ended;
		if (framing.kind === 'none') {
			body = '';
			complete = true;
		} else if (framing.kind === 'length') {
			body = body.slice(0, framing.length);
			complete ||= body.length >= framing.length;
		} else if (framing.kind === 'chunked') {
			const decoder = new ChunkedDecoder();
			const bytes = Buffer.from(body, 'latin1');
			let decoded = '';
			decoder.push(bytes, 0, bytes.length, (buffer, from, to) => {
				decoded += buffer.toString('latin1', from, to);
			});
			if (decoder.refusal !== undefined) return 'malformed';
			body = decoded;
			complete ||= decoder.isDone;
		}
		return { text, ended: complete, head, body };
	}
}
