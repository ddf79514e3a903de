// The sound of an offer: two soft notes, twice. Browsers allow sound after the
// first touch, so the room for it is made there.
let room: AudioContext | undefined
const make = () => {
  room ??= new AudioContext()
  void room.resume().catch(() => {})
}
addEventListener('pointerdown', make, { once: true })
addEventListener('keydown', make, { once: true })

export function ring() {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([160, 80, 160])
  if (!room || room.state !== 'running') return
  const at = room.currentTime
  for (const [i, pitch] of [659, 880, 659, 880].entries()) {
    const begin = at + i * 0.18 + (i > 1 ? 0.25 : 0)
    const tone = room.createOscillator()
    const loud = room.createGain()
    tone.frequency.value = pitch
    loud.gain.setValueAtTime(0, begin)
    loud.gain.linearRampToValueAtTime(0.25, begin + 0.02)
    loud.gain.exponentialRampToValueAtTime(0.001, begin + 0.32)
    tone.connect(loud).connect(room.destination)
    tone.start(begin)
    tone.stop(begin + 0.34)
  }
}
