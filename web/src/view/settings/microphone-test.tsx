/** Shows that the microphone hears something, before anybody talks. */

import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../../words";

interface TestProps {
  microphoneId: string | null;
  /** The microphone was allowed: devices have names now. */
  allowed(): void;
}

export function MicrophoneTest({ microphoneId, allowed }: TestProps) {
  const [isOn, setOn] = useState(false);
  const [hasFailed, setFailed] = useState(false);
  const meter = useRef<HTMLMeterElement>(null);
  useEffect(() => {
    if (!isOn) return;
    const stopped = new AbortController();
    const show = (level: number) => {
      if (meter.current) meter.current.value = level;
    };
    listen(microphoneId, stopped.signal, allowed, show).catch(() => {
      setOn(false);
      setFailed(true);
    });
    return () => stopped.abort();
  }, [isOn, microphoneId]);
  const press = () => {
    setFailed(false);
    setOn(!isOn);
  };
  const { test, stopTest, level, testFailed } = words.settings;
  return (
    <div class="microphone-test">
      <button type="button" class="small-button" onClick={press}>
        {isOn ? stopTest : test}
      </button>
      {isOn && <meter ref={meter} min={0} max={1} value={0} aria-label={level} />}
      {hasFailed && (
        <p role="alert" class="field-error">
          {testFailed}
        </p>
      )}
    </div>
  );
}

// Quiet rooms lie below -60 dBFS, loud speech close to 0.
const FLOOR_DB = -60;

/** Rejects where there is no microphone to be had. */
async function listen(
  microphoneId: string | null,
  signal: AbortSignal,
  allowed: () => void,
  show: (level: number) => void,
): Promise<void> {
  const audio = microphoneId ? { deviceId: { ideal: microphoneId } } : true;
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  if (signal.aborted) return close();
  signal.addEventListener("abort", close);
  allowed();
  const ear = new AnalyserNode(context, { fftSize: 1024 });
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  const draw = () => {
    if (signal.aborted) return;
    ear.getFloatTimeDomainData(samples);
    show(levelOf(samples));
    requestAnimationFrame(draw);
  };
  draw();
}

/** In [0, 1], as loudness is heard: even steps are even steps in dB. */
function levelOf(samples: Float32Array): number {
  const power = samples.reduce((sum, each) => sum + each * each, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
}
