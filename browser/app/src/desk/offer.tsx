import { Dialog as Base } from '@base-ui/react/dialog'
import { useNavigate } from '@tanstack/react-router'
import { type RefObject, useEffect, useMemo, useRef, useState } from 'react'
import { serverNow, useNow } from '../lib/clock'
import { useHappened } from '../lib/events'
import { type Fault, faultOf } from '../lib/fault'
import { span } from '../lib/format'
import { tidy } from '../lib/push'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Icon, type IconName } from '../ui/icon'
import { Sign } from '../ui/sign'
import { veil } from '../ui/surface'
import { Countdown } from '../ui/time'
import { acceptOffer, ackOffer, declineOffer, leadQuery, type Offer, seenOffer, useOffers } from './data'
import { useCalled } from './called'
import { ring } from './ring'

type End = 'lost' | 'expired'
const open = (o: Offer) => ['queued', 'pushed', 'acked', 'seen'].includes(o.state) && Date.parse(o.expires_at) > serverNow()

/** The offer, over everything: what it is, how long it lasts, and two places to press, far apart. */
export function OfferScreen() {
  const offers = useOffers(true)
  const [shown, show] = useState<Offer | null>(null)
  const [end, close] = useState<End | null>(null)
  const told = useRef(new Set<string>())
  const done = useRef(new Set<string>())
  const title = useRef<HTMLHeadingElement>(null)
  const now = useNow(250)
  const waiting = useMemo(() => offers.data?.items ?? [], [offers.data])
  const asked = (o: Offer) => open(o) && !done.current.has(o.id)

  // This device has it, whether or not somebody looks at the screen.
  useEffect(() => {
    for (const o of waiting) {
      if (told.current.has(o.id) || !open(o)) continue
      told.current.add(o.id)
      void ackOffer(o)
      ring()
    }
  }, [waiting])

  // What the screen says now, no notification has to say.
  useEffect(() => {
    if (offers.data) void tidy(new Set(waiting.filter(open).map((o) => o.id)))
  }, [waiting, offers.data])

  const called = useCalled()
  useEffect(() => {
    if (!called || done.current.has(called.id)) return
    show((now) => now ?? called)
    close(called.state === 'lost' ? 'lost' : 'expired')
  }, [called])

  useEffect(() => {
    if (shown) return
    const next = waiting.find(asked)
    if (next) show(next)
  }, [waiting, shown, now])

  useSeen(shown)
  useTitle(!!shown && !end)

  const over = shown && !end && Date.parse(shown.expires_at) < now - 400
  useEffect(() => {
    if (over) close('expired')
  }, [over])
  useHappened((e) => {
    if (!shown || e.offer_id !== shown.id) return
    if (e.kind === 'offer.lost') close('lost')
    if (e.kind === 'offer.expired') close('expired')
    if (e.kind === 'offer.accepted' || e.kind === 'offer.declined') leave() // on another device of one's own
  })

  const leave = () => {
    if (shown) done.current.add(shown.id)
    show(null)
    close(null)
    void queries.invalidateQueries({ queryKey: ['offers'] })
  }
  if (!shown) return null
  return (
    <Base.Root open modal disablePointerDismissal onOpenChange={(o) => !o && end && leave()}>
      <Base.Portal>
        <Base.Backdrop className={veil} />
        <Base.Popup
          role="alertdialog"
          data-offer={shown.id}
          initialFocus={title} // neither answer is a key away
          className="rises fixed inset-0 z-50 flex flex-col bg-ground px-6 pt-[max(28px,env(safe-area-inset-top))] pb-[max(28px,env(safe-area-inset-bottom))] text-center outline-none md:inset-x-0 md:inset-y-[8dvh] md:mx-auto md:max-w-110 md:rounded-xl md:border md:border-line md:bg-floating md:shadow-float"
        >
          {end ? <Ended end={end} onLeave={leave} title={title} /> : <Asked title={title} offer={shown} more={waiting.filter(asked).length - 1} onEnd={close} onLeave={leave} />}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

type Heading = RefObject<HTMLHeadingElement | null>

function Asked({ offer, more, title, onEnd, onLeave }: { title: Heading; offer: Offer; more: number; onEnd: (e: End) => void; onLeave: () => void }) {
  const go = useNavigate()
  const [busy, work] = useState<'accept' | 'decline' | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const answer = async (how: 'accept' | 'decline') => {
    work(how)
    fail(null)
    try {
      if (how === 'decline') {
        await declineOffer(offer)
        return onLeave()
      }
      await acceptOffer(offer)
      void queries.invalidateQueries({ queryKey: ['lead', offer.lead_id] }) // what was masked until now
      void queries.prefetchQuery(leadQuery(offer.lead_id))
      await go({ to: '/desk/leads/$id', params: { id: offer.lead_id }, search: { accepted: true } })
      onLeave()
    } catch (e) {
      const f = faultOf(e)
      if (f.code === 'offer_lost') return onEnd('lost')
      if (f.code === 'offer_expired') return onEnd('expired')
      fail(f)
      work(null)
    }
  }
  return (
    <>
      <div className="flex items-center justify-center gap-2 text-sm font-medium text-soft">
        <Sign className="size-5" />
        <Base.Title ref={title} tabIndex={-1} className="outline-none">{offer.re_enquiry ? t('desk.offer.again') : t('desk.offer.new')}</Base.Title>
        {more > 0 && <span>{t('desk.offer.more', { count: more })}</span>}
      </div>
      <div className="flex flex-1 flex-col items-center justify-center gap-8 py-6">
        <div>
          <Countdown to={offer.expires_at} from={offer.made_at} className="text-[min(31vw,8.500rem)] leading-none font-semibold tracking-tighter md:text-[7rem]" />
          <Left offer={offer} />
        </div>
        <div className="max-w-full">
          <p className="text-xl font-semibold tracking-tight text-balance wrap-anywhere">{offer.project.name}</p>
          <p className="mt-1 text-base text-soft">{offer.source.name}</p>
          <Waits offer={offer} />
        </div>
        {fault && (
          <p role="alert" className="flex items-center gap-2 text-sm text-lost">
            <Icon name="warn" className="size-4" />
            {fault.code === 'offline' ? t('desk.offer.offline') : (fault.detail ?? fault.message)}
          </p>
        )}
      </div>
      <div className="mx-auto flex w-full max-w-90 items-end justify-between">
        <Round icon="cross" words={t('desk.offer.decline')} busy={busy === 'decline'} disabled={busy !== null} onPress={() => void answer('decline')} />
        <Round icon="check" main words={t('desk.offer.accept')} busy={busy === 'accept'} disabled={busy !== null} onPress={() => void answer('accept')} />
      </div>
    </>
  )
}

/** How long the person has waited: the figure that the whole house works on. */
function Waits({ offer }: { offer: Offer }) {
  const now = useNow(1000)
  const since = Date.parse(offer.made_at) - offer.waiting_ms
  return <p className="figures mt-3 text-base">{t(offer.re_enquiry ? 'desk.offer.waitsAgain' : 'desk.offer.waits', { span: span(now - since), count: offer.enquiries })}</p>
}

/** What is left of the time, as a line that gets shorter. */
function Left({ offer }: { offer: Offer }) {
  const now = useNow(250)
  const whole = Date.parse(offer.expires_at) - Date.parse(offer.made_at)
  const part = Math.max(0, Math.min(1, (Date.parse(offer.expires_at) - now) / whole))
  return (
    <div aria-hidden className="mx-auto mt-5 h-1 w-44 overflow-hidden rounded-full bg-hover">
      <div className={cx('h-full rounded-full', part < 1 / 3 ? 'bg-warm' : 'bg-accent')} style={{ width: `${part * 100}%` }} />
    </div>
  )
}

function Round({ icon, words, main, busy, disabled, onPress }: { icon: IconName; words: string; main?: boolean; busy: boolean; disabled: boolean; onPress: () => void }) {
  return (
    <button type="button" aria-disabled={disabled} onClick={() => !disabled && onPress()} className="group flex w-28 flex-col items-center gap-2.5 outline-none">
      <span
        className={cx(
          'grid place-items-center rounded-full transition-colors group-focus-visible:outline-2 group-focus-visible:outline-offset-4 group-focus-visible:outline-accent',
          main ? 'size-24 bg-accent text-on-accent group-hover:bg-accent-strong' : 'size-20 border border-edge bg-surface text-ink group-hover:bg-hover',
        )}
      >
        {busy ? <Sign running className={cx('size-9', main && 'text-on-accent')} /> : <Icon name={icon} className={main ? 'size-11' : 'size-8'} />}
      </span>
      <span className="text-base font-semibold">{words}</span>
    </button>
  )
}

function Ended({ end, title, onLeave }: { title: Heading; end: End; onLeave: () => void }) {
  return (
    <>
      <div className="flex flex-1 flex-col items-center justify-center gap-5">
        <span className={cx('grid size-24 place-items-center rounded-full', end === 'lost' ? 'bg-sunken text-soft' : 'bg-warm-ground text-warm')}>
          <Icon name={end === 'lost' ? 'people' : 'clock'} className="size-11" />
        </span>
        <Base.Title ref={title} tabIndex={-1} className="outline-none text-xl font-semibold tracking-tight">{t(`desk.offer.${end}`)}</Base.Title>
        <Base.Description className="max-w-72 text-soft">{t(`desk.offer.${end}Words`)}</Base.Description>
      </div>
      <Button look="primary" wide onClick={onLeave}>{t('desk.offer.ok')}</Button>
    </>
  )
}

/** It counts as seen when the page is in front. */
function useSeen(offer: Offer | null) {
  const id = offer?.id
  useEffect(() => {
    if (!offer) return
    const look = () => {
      if (document.visibilityState !== 'visible') return
      document.removeEventListener('visibilitychange', look)
      void seenOffer(offer)
    }
    document.addEventListener('visibilitychange', look)
    look()
    return () => document.removeEventListener('visibilitychange', look)
    // eslint-disable-next-line: one offer is seen once
  }, [id])
}

/** A tab in the background says so in its name. */
function useTitle(on: boolean) {
  useEffect(() => {
    if (!on) return
    const before = document.title
    document.title = t('desk.offer.title')
    return () => {
      document.title = before
    }
  }, [on])
}
