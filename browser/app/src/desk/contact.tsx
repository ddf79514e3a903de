import { t } from '../lib/words'
import { cx } from '../ui/cx'
import { Icon, type IconName } from '../ui/icon'
import { Tooltip } from '../ui/tooltip'
import type { Channel, Lead } from './data'
import { begin } from './trying'

/** Number and address, with the sign that opening them stands on the record. */
export function ContactLines({ lead }: { lead: Lead }) {
  const p = lead.person
  if (!p || p.erased) return null
  return (
    <>
      <dl className="mx-4 mt-5 flex flex-col gap-1.5">
        {p.phone && (
          <div className="flex items-center gap-3">
            <dt><Icon name="phone" className="size-4.5 text-faint" /><span className="sr-only">{t('desk.contact.phone')}</span></dt>
            <dd className="ltr figures font-medium select-all">{p.phone}</dd>
            <Recorded />
          </div>
        )}
        {p.email && (
          <div className="flex items-center gap-3">
            <dt><Icon name="mail" className="size-4.5 text-faint" /><span className="sr-only">{t('desk.contact.email')}</span></dt>
            <dd className="ltr min-w-0 truncate select-all">{p.email}</dd>
            {!p.phone && <Recorded />}
          </div>
        )}
      </dl>
      {p.masked && <p className="mx-4 mt-1.5 text-sm text-soft">{t('desk.contact.masked')}</p>}
    </>
  )
}

function Recorded() {
  return (
    <dd className="ms-auto">
      <Tooltip words={t('desk.contact.recorded')}>
        <span tabIndex={0} role="img" aria-label={t('desk.contact.recorded')} className="grid size-6 place-items-center rounded-sm text-faint">
          <Icon name="opened" className="size-4" />
        </span>
      </Tooltip>
    </dd>
  )
}

interface Way {
  channel: Channel
  icon: IconName
  href: string
  words: string
}

/** The ways to reach a person: each link leads out of the app and starts the attempt's clock. */
export function ways(lead: Lead): Way[] {
  const p = lead.person
  const out: Way[] = []
  if (p?.masked) return out
  if (p?.phone?.startsWith('+')) {
    out.push({ channel: 'call', icon: 'phone', href: `tel:${p.phone}`, words: t('desk.contact.call') })
    out.push({ channel: 'whatsapp', icon: 'chat', href: `https://wa.me/${p.phone.slice(1)}`, words: t('desk.contact.whatsapp') })
    out.push({ channel: 'sms', icon: 'message', href: `sms:${p.phone}`, words: t('desk.contact.sms') })
  } else if (p?.phone) {
    out.push({ channel: 'call', icon: 'phone', href: `tel:${p.phone.replace(/[^\d+*#]/g, '')}`, words: t('desk.contact.call') })
  }
  if (p?.email) out.push({ channel: 'email', icon: 'mail', href: `mailto:${encodeURIComponent(p.email)}`, words: t('desk.contact.mail') })
  return out
}

export function ContactBar({ lead }: { lead: Lead }) {
  const all = ways(lead)
  const [first, ...rest] = all
  if (!first) return null
  return (
    <div className="fixed inset-x-0 bottom-[calc(64px+env(safe-area-inset-bottom))] z-10 border-t border-line bg-ground px-4 py-3 md:sticky md:bottom-0 md:mt-8">
      <div className="flex gap-2">
        <Out lead={lead} way={first} main />
        {rest.map((w) => <Out key={w.channel} lead={lead} way={w} />)}
      </div>
    </div>
  )
}

function Out({ lead, way, main }: { lead: Lead; way: Way; main?: boolean }) {
  const outside = way.href.startsWith('https:')
  return (
    <a
      href={way.href}
      onClick={() => begin(lead.id, way.channel)}
      {...(outside ? { target: '_blank', rel: 'noopener noreferrer' } : {})}
      aria-label={main ? undefined : way.words}
      className={cx(
        'flex min-h-13 items-center justify-center gap-2.5 rounded text-base font-semibold outline-none focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-accent',
        main ? 'flex-1 bg-accent text-on-accent hover:bg-accent-strong' : 'w-14 border border-line bg-surface text-ink hover:bg-hover',
      )}
    >
      <Icon name={way.icon} className="size-5.5" />
      {main && way.words}
    </a>
  )
}
