"""The marked picture of ``oriented_files`` as HEIC files; packed, since nothing that we may use writes them.

Each is turned by boxes of its own (irot and imir) as one orientation of EXIF would turn it.
"""

from __future__ import annotations

import base64
import zlib

_PACKED = (
    b"c-mufWnf^CNh_%=$Vkmh2C^A)Gt&$~?A*-"
    b"6GzJF7eYvS6i3|{+n30lG1Z6W6WG0s|paGN2oP4k$E)EP#42&Qa<0A+S1ol8NAYf92i>LsxMP_DR8kh%?6$Nrq!ODPYGRl$-"
    b"8IS}SK}uXJGQrCE3NlM_8K5c|{$>^w6#(hGnFY!DK)MX5*O`$SBs2l6NbUo}pT9qTFfi~lCjfOwI56@s{{IhBzzkBs3_^0dm"
    b">d#;l3GrTjA$|o6dGBly?U~2=MIhx0|lTEGl*bNOadxrb74GKe4rC(iEwg$PElTRP6beumw~MTC?t|uT#yR&t^*WnB<Cc8Tx"
    b"J7xyatH=|Ns9VP#^&57tp{ED9EhH1ZiaE;NSpK5}5_Lu()7kU}SA%VrFdtvZXSMQq!Q~e90-r$>6{TnVg-Qk_d_=YYoQroDa"
    b"IE9a<Ih|G5Fjss9p<(LZ)=TF}<(dHLFD>$S)B-EhBgMzc@0<1RxK+o3S=-"
    b"Tnp3=NBHF<p}l!8zj(ueHpZXJPrm%Mj=qRKrI2e)}KH!IzeeNdV`USw5gwr7}=r8=-"
    b"F^iMx2?snMEKClBns44V<3Z1~x%4jV7oen4pUCOPB^}f?^&`P(!nXVi=?eiUpdWA_*j@OOz(4Zx{*6lm-"
    b"b(5SpOg5Bm~|8M*G0LQPrhkd)Ovut|$`w5%GsNoz2cRcxbW)etYM7zS%u#XeeA4b7xASbKgP5L*F)ZNd)"
)


def _unpacked() -> list[bytes]:
    whole, files = zlib.decompress(base64.b85decode(_PACKED)), []
    while whole:
        length = int.from_bytes(whole[:2], "big")
        files.append(whole[2 : 2 + length])
        whole = whole[2 + length :]
    return files


HEIC = dict(enumerate(_unpacked(), 1))
"""By orientation, 1 to 8."""
