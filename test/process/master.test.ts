import { pino } from 'pino';
import t from 'tap';
import { HoldfastError } from '../../lib/core/errors.js';
import type { ProcessEnvironment, WorkerProcess } from '../../lib/process/env.js';
import type { SocketHandle, SocketRequest } from '../../lib/process/listening-socket.js';
import { type LoadOutcome, Master } from '../../lib/process/master.js';
import type { FromWorker, ToWorker } from '../../lib/process/messages.js';

class FakeWorker implements WorkerProcess {
	readonly pid: number;
	readonly received: ToWorker[] = [];
	readonly handles: (SocketHandle | undefined)[] = [];
	readonly killedBy: NodeJS.Signals[] = [];
	#tell: (message: FromWorker) => void = () => undefined;
	#exit: (code: number | null, signal: NodeJS.Signals | null) => void = () => undefined;

	constructor(pid: number) {
		this.pid = pid;
	}

	send(message: ToWorker, handle?: SocketHandle): void {
		this.received.push(message);
		if (message.kind === 'socket') this.handles.push(handle);
	}

	kill(signal: NodeJS.Signals): void {
		this.killedBy.push(signal);
	}

	onMessage(receive: (message: FromWorker) => void): void {
		this.#tell = receive;
	}

	onExit(receive: (code: number | null, signal: NodeJS.Signals | null) => void): void {
		this.#exit = receive;
	}

	leave(code: number | null, signal: NodeJS.Signals | null = null): void {
		this.#exit(code, signal);
	}

	/** A piece of the answer to the last command. */
	answer(text: string, isLast: boolean): void {
		const command = this.received.findLast((message) => message.kind === 'cli');
		this.#tell({ kind: 'cli-piece', id: command?.kind === 'cli' ? command.id : -1, text, isLast });
	}

	get kinds(): string[] {
		return this.received.map(({ kind }) => kind);
	}

	/** The text of the last `load`. */
	get loaded(): string {
		const load = this.received.findLast((message) => message.kind === 'load');
		return load?.kind === 'load' ? load.files.map(({ content }) => content).join() : '';
	}

	get #generation(): number {
		const load = this.received.findLast((message) => message.kind === 'load');
		return load?.kind === 'load' ? load.generation : -1;
	}

	want(...addresses: string[]): void {
		const sockets = addresses.map((address) => ({ request: socketRequest(address), copies: 2 }));
		this.#tell({ kind: 'sockets-wanted', generation: this.#generation, sockets });
	}

	ready(...socketKeys: string[]): void {
		const generation = this.#generation;
		this.#tell({ kind: 'ready', generation, diagnostics: [], masterWorker: true, pidfile: undefined, socketKeys });
	}

	fail(reason: string): void {
		this.#tell({ kind: 'failed', generation: this.#generation, reason, diagnostics: [] });
	}

	/** What a healthy worker does with a load. */
	serve(...addresses: string[]): void {
		this.want(...addresses);
		this.ready(...addresses);
	}
}

function socketRequest(key: string): SocketRequest {
	return {
		key,
		address: { kind: 'unix', path: key, abstract: true },
		v6only: false,
		mode: undefined,
		uid: undefined,
		gid: undefined,
		acceptedBy: 'data threads',
		wantedBy: 'frontend f',
	};
}

/** A machine whose sockets and processes are lists, and whose timers run when the test says so. */
class FakeMachine {
	readonly workers: FakeWorker[] = [];
	readonly bound: string[] = [];
	readonly closed: string[] = [];
	readonly timers: { callback: () => void; delayMs: number }[] = [];
	readonly taken = new Set<string>();
	nowMs = 0;
	config = 'first';
	readable = true;
	/** Times that whoever holds an address was asked to give it up. */
	roomAsked = 0;
	stopped: string | undefined;

	readonly environment: ProcessEnvironment = {
		pid: 1000,
		clock: {
			monotonicMs: () => this.nowMs,
			wallMs: () => this.nowMs,
			monotonicUs: () => this.nowMs * 1000,
			setTimer: (callback, delayMs) => {
				this.timers.push({ callback, delayMs });
				return { cancel: () => undefined };
			},
		},
		bind: ({ key }) => {
			if (this.taken.has(key)) throw new HoldfastError('BIND_FAILED', `${key}: Address already in use`);
			this.bound.push(key);
			const close = (): void => {
				this.closed.push(key);
			};
			return { handle: { fd: 50 + this.bound.length, close }, close };
		},
		spawnWorker: () => {
			const worker = new FakeWorker(2000 + this.workers.length);
			this.workers.push(worker);
			return worker;
		},
		signal: () => true,
		onSignal: () => undefined,
		writePidfile: () => undefined,
		print: () => undefined,
		exit: () => {
			throw new Error('exit');
		},
		exitBySignal: () => undefined,
	};

	readonly master = new Master({
		environment: this.environment,
		logger: pino({ level: 'silent' }),
		readFiles: () => {
			if (!this.readable) throw new HoldfastError('FILE_UNREADABLE', 'cannot open test.cfg');
			return [{ path: 'test.cfg', content: this.config }];
		},
		settings: {
			arguments: {
				localpeer: undefined,
				maxconn: undefined,
				masterWorker: true,
				daemon: false,
				pidfile: undefined,
				diagnosticMode: false,
				ignoreResolutionFailures: false,
				skipServerVerify: false,
				zeroWarning: false,
			},
			memoryLimitMb: undefined,
			hasOldProcess: false,
			logLevel: 'silent',
			leaveWithMaster: true,
		},
		makeRoom: () => {
			this.roomAsked++;
		},
		onServing: () => undefined,
		onStopped: (how) => {
			this.stopped = how;
		},
	});

	worker(index = 0): FakeWorker {
		const worker = this.workers[index];
		if (worker === undefined) throw new Error(`no worker ${index}`);
		return worker;
	}

	runTimers(): void {
		for (const { callback } of this.timers.splice(0)) callback();
	}
}

async function servingMachine(...addresses: string[]): Promise<FakeMachine> {
	const machine = new FakeMachine();
	const outcome = machine.master.start();
	machine.worker().serve(...addresses);
	if (!(await outcome).ok) throw new Error('the first worker did not start');
	return machine;
}

t.test('the worker gets its settings, the text, and a copy of each socket per thread', async (t) => {
	const machine = await servingMachine('a');
	t.same(machine.bound, ['a']);
	t.same(machine.worker().kinds, ['settings', 'load', 'socket', 'socket', 'sockets-complete']);
	t.same(
		machine.worker().handles.map((handle) => handle?.fd),
		[51, 51],
	);
});

t.test('files that cannot be read start nothing', async (t) => {
	const machine = new FakeMachine();
	machine.readable = false;
	t.match(await machine.master.start(), { ok: false, reason: 'cannot open test.cfg' });
	t.equal(machine.workers.length, 0);
});

t.test('a configuration that fails after its sockets were bound gives them back', async (t) => {
	const machine = new FakeMachine();
	const outcome = machine.master.start();
	machine.worker().want('a', 'b');
	machine.worker().fail('no such fetch');
	t.match(await outcome, { ok: false, reason: 'no such fetch' });
	t.same(machine.closed, ['a', 'b']);
});

t.test('a reload keeps unchanged sockets, binds new ones, closes removed ones once the new serve', async (t) => {
	const machine = await servingMachine('a');
	machine.config = 'second';
	let reload = machine.master.reload();
	t.equal(machine.worker().loaded, 'second');
	machine.worker().want('a', 'b');
	t.same(machine.bound, ['a', 'b']);
	machine.worker().ready('a', 'b');
	t.match(await reload, { ok: true, generation: 2 });
	reload = machine.master.reload();
	machine.worker().want('b');
	t.same(machine.closed, [], 'the old sockets stay until the new configuration serves');
	machine.worker().ready('b');
	await reload;
	t.same(machine.closed, ['a']);
	t.equal(machine.workers.length, 1);
});

t.test('a reload that cannot read, bind or start leaves what serves untouched', async (t) => {
	const machine = await servingMachine('a');
	machine.taken.add('taken');
	let reload = machine.master.reload();
	machine.worker().want('a', 'fresh', 'taken');
	t.match(machine.worker().received.at(-1), { kind: 'sockets-refused', reason: 'taken: Address already in use' });
	machine.worker().fail('taken: Address already in use');
	t.match(await reload, { ok: false });
	t.same(machine.closed, ['fresh'], 'what was bound for nothing is closed');
	machine.readable = false;
	t.match(await machine.master.reload(), { ok: false, reason: 'cannot open test.cfg' });
	machine.readable = true;
	reload = machine.master.reload();
	machine.worker().fail('Fatal errors found in configuration.');
	t.match(await reload, { ok: false });
	t.same(machine.closed, ['fresh']);
	t.equal(machine.workers.length, 1);
});

t.test('a reload asked for during the start waits until the first configuration serves', async (t) => {
	const machine = new FakeMachine();
	const start = machine.master.start();
	const reload = machine.master.reload();
	machine.config = 'second';
	t.same(machine.worker().kinds, ['settings', 'load']);
	machine.worker().serve('a');
	t.match(await start, { ok: true, generation: 1 });
	while (machine.worker().loaded !== 'second') await Promise.resolve();
	machine.worker().serve('a');
	t.match(await reload, { ok: true, generation: 2 });
});

t.test('all reloads asked for during a reload are answered by one more, with the files as they are then', async (t) => {
	const machine = await servingMachine('a');
	machine.config = 'second';
	const outcomes: Promise<LoadOutcome>[] = [machine.master.reload()];
	machine.config = 'third';
	outcomes.push(machine.master.reload(), machine.master.reload());
	t.equal(machine.worker().loaded, 'second');
	machine.worker().serve('a');
	await outcomes[0];
	while (machine.worker().loaded !== 'third') await Promise.resolve();
	machine.worker().serve('a');
	t.same(
		(await Promise.all(outcomes)).map((outcome) => outcome.ok && outcome.generation),
		[2, 3, 3],
	);
	t.equal(machine.worker().kinds.filter((kind) => kind === 'load').length, 3);
});

t.test('a worker that dies is replaced with the text that served, with growing pauses', async (t) => {
	const machine = await servingMachine('a');
	machine.config = 'half edited';
	const pauses: number[] = [];
	for (let death = 0; death < 4; death++) {
		machine.worker(death).leave(null, 'SIGKILL');
		pauses.push(machine.timers[0]?.delayMs ?? -1);
		machine.runTimers();
		t.equal(machine.worker(death + 1).loaded, 'first');
		machine.worker(death + 1).serve('a');
	}
	t.same(pauses, [100, 200, 400, 800]);
	machine.nowMs = 60_000;
	machine.worker(4).leave(1);
	t.equal(machine.timers[0]?.delayMs, 0, 'one that served for long is replaced at once');
	t.same([machine.bound, machine.closed], [['a'], []], 'on the same sockets');
});

t.test('a worker that dies during a reload fails it and is replaced', async (t) => {
	const machine = await servingMachine('a');
	const reload = machine.master.reload();
	machine.worker().leave(null, 'SIGSEGV');
	t.match(await reload, { ok: false, reason: /SIGSEGV/ });
	machine.runTimers();
	t.equal(machine.worker(1).loaded, 'first');
});

t.test('soft stop waits for the worker, hard stop kills it', async (t) => {
	const machine = await servingMachine('a');
	machine.master.softStop();
	t.equal(machine.worker().kinds.at(-1), 'soft-stop');
	t.equal(machine.stopped, undefined);
	machine.master.hardStop();
	t.same(machine.worker().killedBy, ['SIGTERM']);
	machine.worker().leave(0);
	t.equal(machine.stopped, 'hard');
	t.same(machine.closed, ['a']);
	t.match(await machine.master.reload(), { ok: false });
});

t.test('the addresses can be given up for another program, and taken back', async (t) => {
	const machine = await servingMachine('a');
	machine.master.pause();
	t.equal(machine.worker().kinds.at(-1), 'stop-accepting');
	t.same(machine.closed, ['a']);
	const resumed = machine.master.resume();
	machine.worker().serve('a');
	await resumed;
	t.same(machine.bound, ['a', 'a']);
});

t.test('an address that an older program holds: it is asked once, and tried until it is free', async (t) => {
	const machine = new FakeMachine();
	machine.taken.add('a');
	const outcome = machine.master.start();
	machine.worker().want('a');
	t.equal(machine.roomAsked, 1);
	machine.runTimers();
	t.equal(machine.roomAsked, 1);
	machine.taken.clear();
	machine.runTimers();
	t.same(machine.bound, ['a']);
	machine.worker().ready('a');
	t.match(await outcome, { ok: true });
	// A reload does not push anybody aside.
	machine.taken.add('b');
	const reload = machine.master.reload();
	machine.worker().want('a', 'b');
	t.equal(machine.worker().kinds.at(-1), 'sockets-refused');
	machine.worker().fail('Address already in use');
	t.match(await reload, { ok: false });
	t.equal(machine.roomAsked, 1);
});

t.test('an address that nobody gives up fails the start', async (t) => {
	const machine = new FakeMachine();
	machine.taken.add('a');
	const outcome = machine.master.start();
	machine.worker().want('a');
	for (let i = 0; i < 2000; i++) machine.runTimers();
	t.equal(machine.worker().kinds.at(-1), 'sockets-refused');
	machine.worker().fail('a: Address already in use');
	t.match(await outcome, { ok: false, reason: /Address already in use/ });
});

t.test('a command for the worker: pieces are pulled, and end with it', async (t) => {
	const machine = await servingMachine('a');
	const pieces = machine.master.ask({ words: ['show', 'info'], payload: undefined }, 'admin');
	const first = pieces.next();
	t.match(machine.worker().received.at(-1), { kind: 'cli', words: ['show', 'info'], level: 'admin' });
	machine.worker().answer('one', false);
	t.same(await first, { done: false, value: 'one' });
	t.equal(machine.worker().kinds.at(-1), 'cli', 'the next is not asked for before it is wanted');
	const second = pieces.next();
	t.equal(machine.worker().kinds.at(-1), 'cli-next');
	machine.worker().leave(null, 'SIGKILL');
	t.same(await second, { done: true, value: undefined });
	machine.runTimers();
	machine.worker(1).serve('a');
	const left = machine.master.ask({ words: ['show', 'table'], payload: undefined }, 'admin');
	const piece = left.next();
	machine.worker(1).answer('x', false);
	await piece;
	await left.return(undefined);
	t.equal(machine.worker(1).kinds.at(-1), 'cli-end', 'a client that leaves ends the answer');
});
