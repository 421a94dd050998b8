import t from 'tap';
import { Diagnostics, didYouMean, formatDiagnostic, nearestWord } from '../../lib/core/diagnostics.js';

t.test('remarks are kept in order and counted', async (t) => {
	const diagnostics = new Diagnostics();
	const place = { file: 'a.cfg', line: 3 };
	diagnostics.alert(place, 'one');
	diagnostics.warning(undefined, 'two');
	diagnostics.notice(place, 'three');
	diagnostics.diag(place, 'four');
	diagnostics.alert(undefined, 'five');
	t.same(
		diagnostics.list.map((item) => `${item.severity} ${item.place?.line ?? '-'} ${item.text}`),
		['alert 3 one', 'warning - two', 'notice 3 three', 'diag 3 four', 'alert - five'],
	);
	t.equal(diagnostics.errorCount, 2);
	t.equal(diagnostics.warningCount, 1);
});

t.test('a notice once per subject', async (t) => {
	const diagnostics = new Diagnostics();
	diagnostics.noticeOnce('cpu-map', { file: 'a', line: 1 }, 'x');
	diagnostics.noticeOnce('cpu-map', { file: 'a', line: 2 }, 'x');
	diagnostics.noticeOnce('noepoll', { file: 'a', line: 3 }, 'y');
	t.same(
		diagnostics.list.map((item) => item.place?.line),
		[1, 3],
	);
});

t.test('the form of HAProxy', async (t) => {
	t.equal(
		formatDiagnostic({ severity: 'alert', place: { file: 'a.cfg', line: 12 }, text: 'no.' }, 42),
		'[ALERT]    (42) : config : parsing [a.cfg:12] : no.',
	);
	t.equal(formatDiagnostic({ severity: 'warning', place: undefined, text: 'w' }, 1), '[WARNING]  (1) : config : w');
});

t.test('the nearest word', async (t) => {
	const known = ['maxconn', 'mode', 'monitor-uri', 'id', 'bind', 'balance'];
	t.equal(nearestWord('maxcon', known), 'maxconn', 'a letter is missing');
	t.equal(nearestWord('maxxconn', known), 'maxconn', 'a letter too many');
	t.equal(nearestWord('bnid', known), 'bind', 'two letters swapped');
	t.equal(nearestWord('mote', known), 'mode', 'a wrong letter');
	t.equal(nearestWord('if', known), undefined, 'a short word must be nearer');
	t.equal(nearestWord('compression', known), undefined, 'nothing is near');
	t.equal(nearestWord('bind', known), 'bind');
	t.equal(nearestWord('x', []), undefined);
	t.equal(didYouMean('mdoe', known), "; did you mean 'mode' ?");
	t.equal(didYouMean('zzz', known), '');
});
