/**
 * From the command line to a running master: what `bin/holdfast.ts` calls, with exit codes as HAProxy's.
 *
 *     0  left as asked; the configuration is valid (-c); the condition is true (-cc)
 *     1  the command line, the configuration or a bind is wrong; the condition is false (-cc)
 *     2  the configuration has no listener (-c); the condition cannot be read (-cc)
 */
import { spawn } from 'node:child_process';
import { fstatSync, readdirSync } from 'node:fs';
import { formatDiagnostic } from '../core/diagnostics.js';
import { HoldfastError } from '../core/errors.js';
import { createLogger, LOGGER_LEVELS, type LoggerLevel, loggerLevelOf } from '../core/logger.js';
import { readConfigurationFiles } from './configuration.js';
import { inOrderOfLines, printDiagnostics } from './diagnostic-output.js';
import { type ProcessEnvironment, systemEnvironment } from './env.js';
import type { BoundSocket } from './listening-socket.js';
import { type LoadOutcome, Master } from './master.js';
import { MasterCli, type MasterView } from './master-cli.js';
import { type MasterSocket, parseMasterSocket, socketOfPidfile } from './master-socket.js';
import type { ConfigArguments, ConfigFile } from './messages.js';
import { SystemdNotifier } from './notify.js';
import { configArguments, type ProgramOptions } from './options.js';

/** Exit code of a program that SIGINT has ended, as shells count. */
const EXIT_INTERRUPTED = 130;
/** Tells the process in the background that its parent waits for its first words. */
const DAEMON_MARK = 'HOLDFAST_DAEMON_START';

/** Whether a configuration asks for the background: answered by whoever can read it. */
export type DaemonQuestion = (files: readonly ConfigFile[], args: ConfigArguments) => Promise<boolean>;

/** Runs the load balancer; resolves only when it could not start, with the exit code. */
export async function run(options: ProgramOptions, saysDaemon: DaemonQuestion): Promise<number> {
	const startedFromParent = process.env[DAEMON_MARK] !== undefined;
	delete process.env[DAEMON_MARK];
	if (!startedFromParent && !options.foreground && (options.daemon || (await fileSaysDaemon(options, saysDaemon)))) {
		return startInBackground();
	}
	const environment: ProcessEnvironment = startedFromParent
		? { ...systemEnvironment, print: (text) => process.send?.({ print: text }) }
		: systemEnvironment;
	const { print } = environment;
	if (options.verbose) {
		for (const { word, reason } of options.withoutEffect) {
			print(`[NOTICE]   (${environment.pid}) : '${word}' has no effect: ${reason}`);
		}
	}
	const logLevel = startLogLevel(options, print);
	const logger = createLogger({ level: logLevel });
	const notifier = options.notifySystemd ? new SystemdNotifier(logger) : undefined;
	let masterWorker = options.masterWorker;
	let cliSocket: BoundSocket | undefined;
	let hasServed = false;
	let stopSignal: 'SIGTERM' | 'SIGINT' = 'SIGTERM';
	// With -sf or -st an older program may hold the addresses: it is asked to pause (management.txt, section 4).
	const olderPids = [...options.finishPids, ...options.terminatePids];
	let hasMadeRoom = false;
	const makeRoom = (): void => {
		hasMadeRoom = true;
		for (const pid of olderPids) environment.signal(pid, 'SIGTTOU');
	};
	const master = new Master({
		environment,
		logger,
		readFiles: () => readConfigurationFiles(options.configPaths),
		settings: {
			arguments: configArguments(options),
			memoryLimitMb: options.memoryLimitMb,
			hasOldProcess: options.finishPids.length + options.terminatePids.length > 0,
			logLevel,
			leaveWithMaster: options.foreground,
		},
		makeRoom: olderPids.length === 0 ? undefined : makeRoom,
		onServing: (_generation, serving) => {
			masterWorker = options.masterWorker || serving.masterWorker;
			if (hasServed) return;
			hasServed = true;
			const pidfile = options.pidfile ?? serving.pidfile;
			if (pidfile !== undefined) environment.writePidfile(pidfile, [environment.pid]);
			if (pidfile !== undefined && options.masterSocket === undefined) listenBeside(pidfile);
			void notifier?.ready();
			for (const pid of options.finishPids) environment.signal(pid, 'SIGUSR1');
			for (const pid of options.terminatePids) environment.signal(pid, 'SIGTERM');
		},
		onStopped: (how) => {
			cliSocket?.close();
			// As HAProxy: without master-worker mode it dies of the signal, with it only SIGINT shows, and scripts look at that.
			if (how === 'hard' && !masterWorker) environment.exitBySignal(stopSignal);
			else environment.exit(how === 'hard' && stopSignal === 'SIGINT' ? EXIT_INTERRUPTED : 0);
		},
	});
	const reload = async (): Promise<LoadOutcome> => {
		void notifier?.reloading();
		const outcome = await master.reload();
		printDiagnostics(outcome.diagnostics, options, print);
		void notifier?.reloaded(outcome.ok);
		return outcome;
	};
	const startedMs = environment.clock.monotonicMs();
	const listen = ({ request, level }: MasterSocket): void => {
		cliSocket = environment.bind(request);
		new MasterCli(masterView(master, environment, startedMs, reload), level).listen(cliSocket.handle);
	};
	/** Nobody has asked for this socket by name: without it, the program runs all the same. */
	const listenBeside = (pidfile: string): void => {
		try {
			listen(socketOfPidfile(pidfile));
		} catch (error) {
			if (!(error instanceof HoldfastError)) throw error;
			logger.warn({ reason: error.message }, "there is no socket for 'holdfast reload'");
		}
	};
	environment.onSignal('SIGUSR1', () => {
		void notifier?.stopping();
		master.softStop();
	});
	for (const signal of ['SIGTERM', 'SIGINT'] as const) {
		environment.onSignal(signal, () => {
			stopSignal = signal;
			void notifier?.stopping();
			master.hardStop();
		});
	}
	environment.onSignal('SIGUSR2', () => void reload());
	environment.onSignal('SIGHUP', () => void reload());
	environment.onSignal('SIGTTOU', () => master.pause());
	environment.onSignal('SIGTTIN', () => void master.resume());

	if (options.masterSocket !== undefined) listen(parseMasterSocket(options.masterSocket));
	const outcome = await master.start();
	printDiagnostics(outcome.diagnostics, options, print);
	if (!outcome.ok) {
		// They are told to go on.
		if (hasMadeRoom) for (const pid of olderPids) environment.signal(pid, 'SIGTTIN');
		master.abandon();
		const subject = outcome.diagnostics.length > 0 ? 'config : ' : '';
		print(`[ALERT]    (${environment.pid}) : ${subject}${outcome.reason}`);
		return 1;
	}
	if (startedFromParent) {
		process.send?.({ serving: true });
		process.disconnect();
	}
	return new Promise<never>(() => undefined);
}

/** What the master's socket shows and does. */
function masterView(
	master: Master,
	environment: ProcessEnvironment,
	startedMs: number,
	reload: () => Promise<LoadOutcome>,
): MasterView {
	return {
		pid: environment.pid,
		startedMs,
		nowMs: () => environment.clock.monotonicMs(),
		get reloadCount() {
			return master.reloadCount;
		},
		get failedReloads() {
			return master.failedReloads;
		},
		get workerPid() {
			return master.workerPid;
		},
		get generations() {
			return master.generations;
		},
		async reload() {
			const outcome = await reload();
			const lines = inOrderOfLines(outcome.diagnostics)
				.filter(({ severity }) => severity !== 'diag')
				.map((item) => formatDiagnostic(item, environment.pid));
			if (!outcome.ok) lines.push(`[ALERT]    (${environment.pid}) : ${outcome.reason}`);
			return { ok: outcome.ok, text: lines.map((line) => `${line}\n`).join('') };
		},
		ask: (command, level) => (master.workerPid === undefined ? undefined : master.ask(command, level)),
	};
}

/** Whether the files themselves say `daemon`; a file that cannot be read is the master's to report. */
async function fileSaysDaemon(options: ProgramOptions, saysDaemon: DaemonQuestion): Promise<boolean> {
	try {
		const files = readConfigurationFiles(options.configPaths);
		// Parsing takes a good part of a start: only where the word, or a word that may become it, begins a line.
		if (!files.some(({ content }) => /^[ \t]*(?:daemon\b|["'\\$])/m.test(content))) return false;
		return await saysDaemon(files, configArguments(options));
	} catch (error) {
		if (error instanceof HoldfastError) return false;
		throw error;
	}
}

/**
 * `-D`: starts the same command without a terminal, waits until it serves or has failed, passes on what it
 * says, and leaves with its outcome.
 */
function startInBackground(): Promise<number> {
	const [, script, ...words] = process.argv;
	const child = spawn(process.execPath, [...process.execArgv, script ?? '', ...words], {
		detached: true,
		stdio: ['ignore', 'ignore', 'ignore', ...inheritedSockets(), 'ipc'],
		env: { ...process.env, [DAEMON_MARK]: '1' },
	});
	return new Promise((resolve) => {
		child.on('message', (message: { readonly print?: string; readonly serving?: boolean }) => {
			if (message.print !== undefined) systemEnvironment.print(message.print);
			if (message.serving === true) {
				child.unref();
				resolve(0);
			}
		});
		child.once('error', () => resolve(1));
		child.once('exit', (code) => resolve(code ?? 1));
	});
}

/**
 * Sockets that whoever started the program has left open for it (`bind fd@7`), each in its own place: Node marks
 * everything that it inherits as not to be passed on.
 */
function inheritedSockets(): ('ignore' | number)[] {
	const places: ('ignore' | number)[] = [];
	const first = 3;
	for (const name of readdirSync('/proc/self/fd')) {
		const fd = Number(name);
		if (fd < first || !isSocket(fd)) continue;
		while (places.length < fd - first) places.push('ignore');
		places[fd - first] = fd;
	}
	return places;
}

function isSocket(fd: number): boolean {
	try {
		return fstatSync(fd).isSocket();
	} catch {
		return false;
	}
}

/** `--log-level`, else `-d`, else the environment. */
function startLogLevel(options: ProgramOptions, print: (text: string) => void): LoggerLevel {
	const word = process.env.HOLDFAST_LOG_LEVEL ?? '';
	const ofEnvironment = loggerLevelOf(word);
	if (word !== '' && ofEnvironment === undefined) {
		print(`[WARNING]  (${process.pid}) : HOLDFAST_LOG_LEVEL is none of ${LOGGER_LEVELS.join(', ')}: '${word}'`);
	}
	return options.logLevel ?? (options.debug ? 'debug' : (ofEnvironment ?? 'info'));
}
