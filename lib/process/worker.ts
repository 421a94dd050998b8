/**
 * The entry of a worker process: its main thread is the control thread. This file only ties the channel and
 * the signals to `ControlThread`.
 */
import { createLogger } from '../core/logger.js';
import { ControlThread } from './control-thread.js';
import type { SocketHandle } from './listening-socket.js';
import type { FromWorker, ToWorker } from './messages.js';

let control: ControlThread | undefined;
let leaveWithMaster = true;

const tellMaster = (message: FromWorker): void => {
	// A channel that is closed means that the master is gone: there is nobody to tell.
	if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

process.on('message', (received, handle) => {
	const message = received as ToWorker;
	if (message.kind === 'settings') {
		leaveWithMaster = message.leaveWithMaster;
		const logger = createLogger({ level: message.logLevel });
		control = new ControlThread(message, logger, { tellMaster, exit: (code) => process.exit(code) });
	} else control?.receive(message, handle as SocketHandle | undefined);
});

process.on('disconnect', () => {
	if (control === undefined) process.exit(0);
	if (leaveWithMaster) control.hardStop();
});

process.on('SIGTERM', () => {
	if (control === undefined) process.exit(0);
	control.hardStop();
});
// The terminal sends it to the whole group; the master decides what it means.
process.on('SIGINT', () => undefined);
process.on('SIGUSR1', () => control?.receive({ kind: 'soft-stop' }, undefined));
// From a program that takes over after the master has died: the addresses are given up, what is connected is served on.
process.on('SIGTTOU', () => control?.receive({ kind: 'stop-accepting' }, undefined));
process.on('SIGTTIN', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('SIGPIPE', () => undefined);
