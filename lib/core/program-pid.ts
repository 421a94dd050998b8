/**
 * The process id that log lines, `%pid` and `show info` give. Holdfast always has a master and a worker; who starts it
 * without master-worker mode knows one process, the one that was started, and finds its id in HAProxy's logs: that is
 * the master's here. In master-worker mode both programs give the worker's.
 */

/** Of the process itself, in whichever thread; asked before a parent that dies could change it. */
const PARENT_PID = process.ppid;

let pid = process.pid;

export const programPid = (): number => pid;

/** Called in each thread of a worker when it knows its configuration. */
export function setProgramPid(masterWorker: boolean): void {
	pid = masterWorker ? process.pid : PARENT_PID;
}
