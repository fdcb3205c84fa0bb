"""A handful of passages for the short examples."""

PASSAGES = [
    "Refunds for damaged goods are paid within five working days after the photo is approved.",
    "Our head office moved to Hangzhou in 2019 and employs two hundred people.",
    "Damaged goods must be reported with a photo within 48 hours of delivery.",
    "The loyalty programme gives one point for each euro spent on goods.",
    "Standard delivery takes three working days, express delivery one.",
    "Gift cards can't be paid out and are valid for three years.",
    "客户投诉须在两小时内首次响应；超时的投诉自动升级给值班主管，并在当天给出处理方案。",
    "客户可以在会员中心修改收货地址，订单发货后不能再改。",
]
